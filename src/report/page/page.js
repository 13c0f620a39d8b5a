"use strict";
// Sorting, filtering, a crosshair with values, and zoom on time. The state is in the address after #, so that a link shows the
// same. Texts of rows are only ever set as textContent.
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const SVG = "http://www.w3.org/2000/svg";
  const form = document.getElementById("controls");
  const event = document.getElementById("event");
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const read = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  let state = read();

  const set = (key, value) => {
    if (value) state.set(key, value); else state.delete(key);
    history.replaceState(null, "", "#" + state);
  };

  // The raw value of an element, or else its text.
  const raw = (element) => element?.dataset.value ?? element?.textContent.trim();

  // A box that scrolls has a name, and is reached by keyboard.
  all(".scroll").forEach((box) => {
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", box.querySelector("caption").textContent);
  });

  // A folded table has the name of its chart for readers who do not see where it is.
  all("figure summary").forEach((one) => {
    const names = [one.closest("section")?.dataset.event, one.closest("figure").firstElementChild.textContent];
    one.setAttribute("aria-label", `Table: ${names.filter(Boolean).join(", ")}`);
  });

  // Sorting: by the value of a cell, or the first of several.
  const value = (row, column) => {
    const cell = row.cells[column];
    const own = cell.dataset.value ?? raw(cell.querySelector("[data-key]")) ?? raw(cell);
    if (own === "null" || own === "–") return null;
    const number = Number(own.replace(/[^0-9.eE+-]/g, "") || NaN);
    return Number.isNaN(number) || cell.classList.contains("t") || cell.tagName === "TH" ? cell.textContent : number;
  };
  const sort = (table, column, descending) => {
    const compare = (one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === typeof b && typeof a === "number" ? a - b || 0 : String(a).localeCompare(String(b));
      return descending ? -order : order;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    all("th[aria-sort]", table.tHead).forEach((head) => head.removeAttribute("aria-sort"));
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  };
  const sorts = all("table").map((table, number) => {
    const unsorted = [...table.tBodies[0].rows];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const name = head.textContent.trim();
      if (!name) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") !== "descending";
        sort(table, column, descending);
        set("sort" + number, column + (descending ? "d" : "a"));
      });
    });
    return () => {
      const saved = /^(\d+)([ad])$/.exec(state.get("sort" + number) ?? "");
      const sorted = table.tHead.querySelector("[aria-sort]");
      sorted?.removeAttribute("aria-sort");
      if (saved && table.tHead.rows[0].cells[saved[1]]) sort(table, Number(saved[1]), saved[2] === "d");
      else if (sorted) table.tBodies[0].append(...unsorted);
    };
  });

  // Filters: one event type, and a text that a group or a call has. Tables of several event types keep the rows of one.
  const lines = all("[data-of]").map((line) => [line, line.dataset.of]);
  all("table").forEach((table) => {
    const column = [...table.tHead.rows[0].cells].findIndex((head) => head.textContent === "event type");
    if (column >= 0) [...table.tBodies[0].rows].forEach((row) => lines.push([row, row.cells[column].firstChild.textContent]));
  });
  const filter = () => {
    const text = find.value.toLowerCase();
    const isOther = (name) => event.value !== "" && name !== event.value;
    all("section[data-event]").forEach((section) => { section.hidden = isOther(section.dataset.event); });
    lines.forEach(([line, name]) => { line.hidden = isOther(name); });
    const count = (query) => {
      const within = all(query).filter((one) => !one.closest("section[hidden]"));
      within.forEach((one) => { one.hidden = !one.textContent.toLowerCase().includes(text); });
      return `${within.filter((one) => !one.hidden).length} of ${within.length}`;
    };
    const counts = `${count(".calls details:not(.more)")} calls, ${count(".multiples li")} groups`;
    found.textContent = text ? counts : "";
    all("details.more").forEach((more) => {
      more.hidden = !more.querySelector("details:not([hidden])");
      if (text) more.open = !more.hidden;
    });
  };
  // To the section of the event type, or else to its line.
  let section;
  const follow = () => {
    const own = all("section[data-event]").find((one) => one.dataset.event === event.value);
    section = own ?? lines.find(([, name]) => name === event.value)?.[0] ?? section;
    section?.scrollIntoView();
  };
  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (submit) => submit.preventDefault());
    event.addEventListener("change", () => { set("event", event.value); filter(); follow(); });
    find.addEventListener("input", () => { set("find", find.value); filter(); });
  }

  // Time: all charts show the same part of the window, as shares of the whole.
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 432000,
    604800, 1209600];
  const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12000, 30000, 60000];
  // The row of the table is what a chart shows at a place: `time` and the first second and the length of a step, or `log`, the
  // durations at both ends and where the axis begins. Left of it are durations of 0.
  const charts = all("svg[data-axis]").map((chart) => {
    const [kind, first, second, start] = chart.dataset.axis.split(",");
    const plot = chart.querySelector("svg");
    const { width: steps, height } = plot.viewBox.baseVal;
    const [left, width] = ["x", "width"].map((name) => Number(plot.getAttribute(name)));
    const [lo, hi, begin] = [first, second, start].map(Number);
    const table = chart.closest("figure").querySelector("table");
    const heads = [...table.tHead.rows[0].cells].map((head) => [head.textContent, head.dataset.key]);
    const place = (row) => {
      if (kind === "time") return Number(row.dataset.at.slice(1)) + 0.5;
      const edges = [...row.cells].filter((_, column) => ["/from", "/to"].includes(heads[column][1])).map((cell) => Number(raw(cell)));
      if (edges.every((edge) => edge <= 0)) return 6;
      const each = edges.map((edge) => begin + (edge > lo ? Math.log(edge / lo) / Math.log(hi / lo) : 0) * (steps - begin));
      return each.reduce((sum, x) => sum + x, 0) / each.length;
    };
    const text = (cell, column) => (cell.tagName === "TH" ? cell.textContent.replace(/\d(?=$|,)/, "$& UTC") : `${heads[column][0]} ${cell.textContent}`);
    const points = [...table.tBodies[0].rows].map((row) => [place(row), [...row.cells].map(text).join(" · ")]);
    points.sort(([one], [other]) => one - other);
    return { chart, plot, isTime: kind === "time", first: lo, length: hi, steps, height, left, width, points };
  });
  const plots = charts.filter((one) => one.isTime);
  let [from, to] = [0, 1];
  const ticks = ({ steps, first, length, width }) => {
    const group = document.getElementById("time");
    const [lo, hi] = [from, to].map((share) => first + share * steps * length);
    const [begin, end] = [lo, hi].map((second) => new Date(second * 1000));
    const fits = (step) => (hi - lo) / step <= 5;
    const step = STEPS.find(fits);
    const months = MONTHS.find((count) => fits(count * 2419200));
    const moment = (number) => new Date(step ? number * step * 1000 : Date.UTC(2000, number * months - 24000));
    let number = Math.floor(step ? lo / step : (begin.getUTCFullYear() * 12 + begin.getUTCMonth()) / months);
    let year = begin.getUTCFullYear() === end.getUTCFullYear() && begin.getUTCFullYear();
    const label = (date) => {
      const text = date.toUTCString();
      const [own, month] = [date.getUTCFullYear(), text.slice(8, 11)];
      if (!step) return (months < 12 ? month + " " : "") + text.slice(12, 16);
      if (date % 864e5) return text.slice(17, step < 60 ? 25 : 22);
      const day = `${month} ${date.getUTCDate()}` + (own === year ? "" : " " + own);
      year = own;
      return day;
    };
    all("text", group).forEach((text) => text.remove());
    let [marks, free] = ["", -width];
    for (let date = moment(number); date <= end; date = moment(number += 1)) {
      if (date < begin) continue;
      const x = ((date / 1000 - lo) / (hi - lo)) * width;
      const text = document.createElementNS(SVG, "text");
      text.textContent = label(date);
      const half = text.textContent.length * 2.8;
      const right = Math.min(x + half, width + 10);
      if (right - 2 * half < free) continue;
      free = right + 5.6;
      text.setAttribute("x", right < x + half ? right : x);
      if (right < x + half) text.setAttribute("text-anchor", "end");
      group.append(text);
      marks += `M${x}-15v4`;
    }
    const line = group.querySelector("path");
    line.setAttribute("d", line.getAttribute("d").replace(/^(M[^M]*).*$/, "$1") + marks);
  };
  const zoom = (lo, hi) => {
    const width = Math.min(1, Math.max(0.02, hi - lo));
    from = Math.min(1 - width, Math.max(0, lo));
    to = from + width;
    if (plots.length) ticks(plots[0]);
    plots.forEach((one) => {
      one.plot.setAttribute("viewBox", `${from * one.steps} 0 ${width * one.steps} ${one.height}`);
      all(".mark", one.chart).forEach((mark) => {
        const x = (Number(mark.dataset.x) / one.width - from) / width;
        mark.setAttribute("x", one.left + x * one.width + 3);
        mark.toggleAttribute("display", false);
        if (x < 0 || x > 0.9) mark.setAttribute("display", "none");
      });
    });
    set("time", width < 1 ? [from, to].map((share) => share.toFixed(4)).join("-") : "");
  };
  const move = {
    in: () => zoom(from + (to - from) / 4, to - (to - from) / 4),
    out: () => zoom(from - (to - from) / 2, to + (to - from) / 2),
    left: () => zoom(from - (to - from) / 4, to - (to - from) / 4),
    right: () => zoom(from + (to - from) / 4, to + (to - from) / 4),
    all: () => zoom(0, 1),
  };
  all("[data-time]").forEach((button) => button.addEventListener("click", move[button.dataset.time]));
  if (!plots.length) all("form [role=group]").forEach((group) => { group.hidden = true; });

  // The crosshair: by pointer, or by arrow keys on a chart that has the focus.
  charts.forEach(({ chart, plot, isTime, left, width, points }) => {
    const readout = document.createElement("output");
    readout.className = "readout";
    chart.after(readout);
    const cross = document.createElementNS(SVG, "path");
    const attributes = { stroke: "currentColor", fill: "none", "vector-effect": "non-scaling-stroke", display: "none" };
    Object.entries(attributes).forEach(([name, to]) => cross.setAttribute(name, to));
    plot.append(cross);
    let shown = -1;
    const show = (place) => {
      shown = Math.min(points.length - 1, Math.max(0, place));
      cross.setAttribute("d", `M${points[shown][0]} 0V${plot.viewBox.baseVal.height}`);
      cross.removeAttribute("display");
      readout.textContent = points[shown][1];
    };
    const hide = () => { cross.setAttribute("display", "none"); readout.textContent = ""; };
    const across = (pointer) => {
      const box = chart.getBoundingClientRect();
      const x = ((pointer.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      return (x - left) / width;
    };
    let begun = null;
    chart.addEventListener("pointermove", (pointer) => {
      const view = plot.viewBox.baseVal;
      const x = view.x + across(pointer) * view.width;
      const distances = points.map(([place]) => Math.abs(place - x));
      show(distances.indexOf(Math.min(...distances)));
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("pointerdown", (pointer) => { begun = across(pointer); });
    chart.addEventListener("pointerup", (pointer) => {
      const [lo, hi] = [begun, across(pointer)].sort((a, b) => a - b).map((x) => from + x * (to - from));
      if (begun !== null && isTime && hi - lo > 0.04 * (to - from)) zoom(lo, hi);
      begun = null;
    });
    chart.setAttribute("tabindex", "0");
    chart.addEventListener("keydown", (key) => {
      if (shown < 0 && isTime) shown = points.findIndex(([place]) => place > plot.viewBox.baseVal.x) - 1;
      const moves = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: points.length - 1 };
      const zooms = { "+": "in", "-": "out", "0": "all" };
      if (key.key in moves) show(moves[key.key]);
      else if (isTime && key.key in zooms) move[zooms[key.key]]();
      else if (key.key === "Escape") hide();
      else return;
      key.preventDefault();
    });
    chart.addEventListener("blur", hide);
  });

  // Applies the state in the address.
  const apply = () => {
    sorts.forEach((sort) => sort());
    if (form) {
      event.value = state.get("event") ?? "";
      if (event.selectedIndex < 0) event.value = "";
      find.value = state.get("find") ?? "";
      filter();
    }
    const [lo, hi] = (state.get("time") ?? "").split("-").map(Number);
    if (lo >= 0 && hi > lo && hi <= 1) zoom(lo, hi); else if (to - from < 1) zoom(0, 1);
  };
  apply();
  addEventListener("hashchange", () => {
    if (location.hash && !location.hash.includes("=")) {
      if (String(state)) history.replaceState(null, "", "#" + state);
      return;
    }
    state = read();
    apply();
  });
  // The page's own links leave the state in the address.
  addEventListener("click", (click) => {
    const link = click.target.closest("a[href^='#']");
    const place = link && document.getElementById(link.hash.slice(1));
    if (!place || click.ctrlKey || click.metaKey || click.shiftKey) return;
    click.preventDefault();
    place.scrollIntoView();
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
  });

  // A served page is loaded again, and its reader finds what was open, the focus and the place.
  const seconds = Number(document.body.dataset.reload);
  if (seconds) {
    const named = (query) => {
      const count = {};
      return all(query).map((one) => {
        const label = one.id || one.getAttribute("aria-label") || one.closest("figure")?.firstElementChild.textContent;
        const text = label || (one.tagName === "DETAILS" ? one.firstElementChild : one).textContent;
        const name = [one.closest("[data-event]")?.dataset.event, one.tagName, text].join("\n");
        count[name] = (count[name] ?? 0) + 1;
        return [`${name} ${count[name]}`, one];
      });
    };
    const focusable = () => named("a,button,select,input,summary,[tabindex]");
    const kept = history.state;
    if (kept) {
      named("details").forEach(([name, one]) => { one.open ||= kept.open.includes(name); });
      focusable().find(([name]) => name === kept.focus)?.[1].focus({ preventScroll: true });
      if (document.activeElement === find) find.setSelectionRange(...kept.caret);
      scrollTo(...kept.place);
    }
    setTimeout(() => {
      const open = named("details").filter(([, one]) => one.open).map(([name]) => name);
      const focus = focusable().find(([, one]) => one === document.activeElement)?.[0];
      const caret = find ? [find.selectionStart, find.selectionEnd] : [];
      history.replaceState({ open, focus, caret, place: [scrollX, scrollY] }, "");
      location.reload();
    }, seconds * 1000);
  }

  // Paper has no summary to click.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open]):not(.calls details:not(.more))");
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
