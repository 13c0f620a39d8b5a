//! Reads drawn paths, for tests of where they are.

/// The paths of the colour as they are written, in their order. `kind` is `fill` or `stroke`.
pub(in crate::report::page) fn paths<'a>(drawn: &'a str, kind: &str, colour: &str) -> Vec<&'a str> {
    let is_own = |tag: &&str| tag.contains(&format!(" {kind}=\"{colour}\""));
    let tags = drawn.split("<path ").skip(1).filter_map(|rest| rest.split('>').next()).filter(is_own);
    tags.filter_map(|tag| tag.strip_prefix("d=\"")?.split('"').next()).collect()
}

/// The top and the bottom of what the path has at this place, if it has something there.
pub(in crate::report::page) fn extent(path: &str, x: f64) -> Option<[f64; 2]> {
    let heights = segments(path).into_iter().filter_map(|[(x1, y1), (x2, y2)]| {
        let is_across = x1 != x2 && (x1.min(x2)..=x1.max(x2)).contains(&x);
        is_across.then(|| y1 + (y2 - y1) * (x - x1) / (x2 - x1))
    });
    heights.fold(None, |ends: Option<[f64; 2]>, y| {
        let [top, bottom] = ends.unwrap_or([y, y]);
        Some([top.min(y), bottom.max(y)])
    })
}

/// Both ends of each line of the path.
fn segments(path: &str) -> Vec<[(f64, f64); 2]> {
    let (mut all, mut at, mut begun) = (Vec::new(), (0.0, 0.0), (0.0, 0.0));
    for (command, numbers) in commands(path) {
        let to = match (command, &numbers[..]) {
            ('M' | 'L', [x, y]) => (*x, *y),
            ('l', [x, y]) => (at.0 + x, at.1 + y),
            ('H', [x]) => (*x, at.1),
            ('h', [x]) => (at.0 + x, at.1),
            ('V', [y]) => (at.0, *y),
            ('v', [y]) => (at.0, at.1 + y),
            ('z', []) => begun,
            other => panic!("{other:?} in {path}"),
        };
        if command == 'M' {
            begun = to;
        } else {
            all.push([at, to]);
        }
        at = to;
    }
    all
}

fn commands(path: &str) -> Vec<(char, Vec<f64>)> {
    let places: Vec<usize> = path.match_indices(char::is_alphabetic).map(|(place, _)| place).collect();
    let ends = places.iter().skip(1).copied().chain([path.len()]);
    let each = places.iter().zip(ends).map(|(begin, end)| {
        let numbers = path[begin + 1..end].split_whitespace().map(|number| number.parse().expect("a number"));
        (path[*begin..].chars().next().expect("a command"), numbers.collect())
    });
    each.collect()
}

#[test]
fn a_path_is_read() {
    assert_eq!(extent("M0 9V3h2V5h1V9h-1V9h-2z", 1.0), Some([3.0, 9.0]));
    assert_eq!(extent("M0 9V3h2V5h1V9h-1V9h-2z", 2.5), Some([5.0, 9.0]));
    assert_eq!(extent("M0.5 1l1 -1M4.5 3h0", 1.0), Some([0.5, 0.5]));
    assert_eq!(extent("M0.5 1l1 -1M4.5 3h0", 3.0), None);
    assert_eq!(
        paths(r#"<path d="M0 1" fill="red"></path><path d="M2 1" fill="blue"></path>"#, "fill", "blue"),
        ["M2 1"]
    );
}
