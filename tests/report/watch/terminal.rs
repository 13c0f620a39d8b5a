//! The terminal at work: keys, sizes, signals and colours.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn keys_sizes_and_new_rows_are_followed_until_it_is_quit() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let before = terminal.settings();
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    terminal.wait_for("orders.place");
    terminal.keys(&["w"]);
    terminal.wait_for("window: 15 min");
    terminal.keys(&["g"]);
    wait_for_all(&terminal, &["group: flow", "inline  ", "job  "]);
    terminal.keys(&["Down"]);
    terminal.wait_for("group: none");
    insert(&url, &[row(0, "orders.cancel", 5, "inline")]).await;
    terminal.wait_for("orders.cancel");
    terminal.resize(120, 40);
    support::until("the footer is on the last line", || {
        let pane = terminal.pane();
        let lines: Vec<&str> = pane.lines().collect();
        lines.len() == 40 && lines[39].contains("q quit")
    });
    quit(&terminal);
    assert_eq!(terminal.settings(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_and_control_c_restore_the_terminal() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let before = terminal.settings();
    for signal in ["TERM", "INT", "HUP", "a key"] {
        let id = watch_with_id(&terminal, &format!("--database-url {url}"));
        terminal.wait_for("q quit");
        if signal == "a key" {
            terminal.keys(&["C-c"]);
        } else {
            kill(signal, &id);
        }
        terminal.wait_for("done with 0");
        assert_eq!(terminal.cursor_and_alternate_screen(), (true, false), "{signal}");
        assert_eq!(terminal.settings(), before, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_z_gives_the_terminal_back_until_it_is_continued() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let before = terminal.settings();
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    for _ in 0..2 {
        terminal.wait_for("q quit");
        terminal.keys(&["C-z"]);
        terminal.wait_for("done with 1");
        assert_eq!(terminal.cursor_and_alternate_screen(), (true, false));
        assert_eq!(terminal.settings(), before);
        terminal.run("fg");
        terminal.wait_for("auto_assign.quote");
    }
    terminal.keys(&["w"]);
    terminal.wait_for("window: 15 min");
    quit(&terminal);
    assert_eq!(terminal.settings(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sizes_in_a_row_leave_a_whole_frame() {
    let url = database(Cluster::shared()).await;
    let terminal = watch(&url);
    terminal.wait_for("q quit");
    for round in 0..10 {
        for (columns, lines) in [(40, 10), (200, 60), (2, 2), (80 + round, 24)] {
            terminal.resize(columns, lines);
        }
    }
    for (columns, lines, title) in
        [(40, 10, "watch  "), (200, 60, "tracing-ledger watch  "), (80, 24, "tracing-ledger watch  ")]
    {
        terminal.resize(columns, lines);
        support::until("the frame has the size of the terminal", || {
            let pane = terminal.pane();
            let shown: Vec<&str> = pane.lines().collect();
            shown.len() == usize::from(lines)
                && shown[0].starts_with(title)
                && shown.iter().filter(|line| line.starts_with("q quit")).count() == 1
                && shown[usize::from(lines) - 1].starts_with("q quit")
        });
    }
    quit(&terminal);
}

/// Between two looks at the size it may have been another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_size_that_is_the_old_one_has_the_whole_frame_drawn_anew() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let id = watch_with_id(&terminal, &format!("--database-url {url}"));
    wait_for_all(&terminal, &["orders.place", "q quit"]);
    terminal.write("\u{1b}[2J\u{1b}[24;1Hlost");
    terminal.wait_for("lost");
    kill("WINCH", &id);
    wait_for_all(&terminal, &["orders.place", "q quit"]);
    quit(&terminal);
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_and_frames_are_left_out_where_they_are_not_wanted() {
    let url = database(Cluster::shared()).await;
    let mut lost = row(1, "ledger.loss", 1, "job");
    lost.context = r#"{"cause": "queue_full", "count": 7}"#.to_owned();
    insert(&url, &[lost]).await;
    for (setting, is_red) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let terminal = Terminal::start(80, 24);
        terminal.run(&format!("{setting} {COMMAND} watch --database-url {url}"));
        terminal.wait_for("LOSSES: 7 rows");
        let pane = terminal.styled_pane();
        assert_eq!(pane.contains("38;5;1m"), is_red, "{setting}: {pane}");
        quit(&terminal);
        terminal.run(&format!("TERM=dumb {COMMAND} watch --database-url {url}"));
        let pane = terminal.wait_for("done with 1");
        assert!(pane.contains("use --once"), "{pane}");
    }
}
