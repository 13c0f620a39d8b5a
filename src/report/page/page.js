"use strict";
// Sorting, filtering, a crosshair with values, and zoom on time. The state is in the address after #, so that a link shows the
// same. Texts of rows are only ever set as textContent.
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const SVG = "http://www.w3.org/2000/svg";
  const form = document.getElementById("controls");
  const event = document.getElementById("event");
  const find = document.getElementById("find");
  const source = document.getElementById("data");
  const data = source ? JSON.parse(source.textContent) : {};
  const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

  const set = (key, value) => {
    if (value) state.set(key, value); else state.delete(key);
    history.replaceState(null, "", "#" + state);
  };

  // Sorting: the raw value of a cell, or else its text.
  const value = (row, column) => {
    const cell = row.cells[column];
    const own = cell.dataset.value ?? cell.querySelector("[data-value]")?.dataset.value ?? cell.textContent.trim();
    const number = own === "null" || own === "–" ? -Infinity : Number(own.replace(/[^0-9.eE+-]/g, "") || NaN);
    return Number.isNaN(number) || cell.classList.contains("t") || cell.tagName === "TH" ? cell.textContent : number;
  };
  const sort = (table, column, descending) => {
    const compare = (one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      const order = typeof a === typeof b && typeof a === "number" ? a - b || 0 : String(a).localeCompare(String(b));
      return descending ? -order : order;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    all("th[aria-sort]", table.tHead).forEach((head) => head.removeAttribute("aria-sort"));
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  };
  all("table").forEach((table, number) => {
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
    const saved = /^(\d+)([ad])$/.exec(state.get("sort" + number) ?? "");
    if (saved && table.tHead.rows[0].cells[saved[1]]) sort(table, Number(saved[1]), saved[2] === "d");
  });

  // Filters: one event type, and a text that a group, a call or a row has.
  const filter = () => {
    const text = find.value.toLowerCase();
    all("section[data-event]").forEach((section) => {
      section.hidden = event.value !== "" && section.dataset.event !== event.value;
    });
    const has = (element) => !text || element.textContent.toLowerCase().includes(text);
    all(".multiples li, .calls details:not(.more)").forEach((element) => { element.hidden = !has(element); });
  };
  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (submit) => submit.preventDefault());
    event.value = state.get("event") ?? "";
    if (event.selectedIndex < 0) event.value = "";
    find.value = state.get("find") ?? "";
    event.addEventListener("change", () => { set("event", event.value); filter(); });
    find.addEventListener("input", () => { set("find", find.value); filter(); });
    filter();
  }

  // Time: all charts show the same part of it, as shares of the whole.
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 604800,
    1209600, 2419200, 7257600, 31536000];
  const plots = all("svg[data-zoom]").map((plot) => {
    const chart = plot.parentNode.closest("svg");
    const { width, height } = plot.viewBox.baseVal;
    return { plot, chart, steps: width, height, data: data[chart.dataset.chart], left: Number(plot.getAttribute("x")),
      width: Number(plot.getAttribute("width")) };
  });
  let [from, to] = (state.get("time") ?? "").split("-").map(Number);
  if (!(from >= 0 && to > from && to <= 1)) [from, to] = [0, 1];
  const label = (second, step) => {
    const text = new Date(second * 1000).toUTCString();
    if (second % 86400 === 0) return text.slice(8, 11) + " " + Number(text.slice(5, 7));
    return text.slice(17, step < 60 ? 25 : 22);
  };
  const ticks = ({ chart, steps, data, left, width }) => {
    const group = chart.querySelector(".ticks");
    const [first, length] = data.time;
    const [lo, hi] = [from, to].map((share) => first + share * steps * length);
    const step = STEPS.find((step) => (hi - lo) / step <= 6) ?? STEPS.at(-1);
    const template = group.querySelector("text") ?? document.createElementNS(SVG, "text");
    const y = template.getAttribute("y") ?? String(chart.viewBox.baseVal.height - 5);
    all("text", group).forEach((text) => text.remove());
    let marks = "";
    for (let second = Math.ceil(lo / step) * step; second <= hi; second += step) {
      const x = left + ((second - lo) / (hi - lo)) * width;
      const text = document.createElementNS(SVG, "text");
      text.setAttribute("x", x > left + width - 14 ? left + width + 10 : x);
      if (x > left + width - 14) text.setAttribute("text-anchor", "end");
      text.setAttribute("y", y);
      text.textContent = label(second, step);
      group.append(text);
      marks += `M${x} ${Number(y) - 15}v4`;
    }
    const line = group.querySelector("path");
    line.setAttribute("d", line.getAttribute("d").replace(/^(M[^M]*).*$/, "$1") + marks);
  };
  const zoom = (lo, hi) => {
    const width = Math.min(1, Math.max(0.02, hi - lo));
    from = Math.min(1 - width, Math.max(0, lo));
    to = from + width;
    plots.forEach((one) => {
      one.plot.setAttribute("viewBox", `${from * one.steps} 0 ${width * one.steps} ${one.height}`);
      if (one.data) ticks(one);
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
  if (to - from < 1) zoom(from, to);

  // The crosshair: by pointer, or by arrow keys on a chart that has the focus.
  const stamp = (second) => new Date(second * 1000).toISOString().slice(0, 19).replace("T", " ");
  all("svg[data-chart]").forEach((chart) => {
    const own = data[chart.dataset.chart];
    const plot = chart.querySelector("svg");
    if (!own || !plot) return;
    const readout = document.createElement("output");
    readout.className = "readout";
    chart.after(readout);
    const cross = document.createElementNS(SVG, "path");
    const attributes = { stroke: "currentColor", fill: "none", "vector-effect": "non-scaling-stroke", display: "none" };
    Object.entries(attributes).forEach(([name, to]) => cross.setAttribute(name, to));
    plot.append(cross);
    const count = own.rows[0][1].length;
    const at = (place) => own.at?.[place] ?? place + 0.5;
    let shown = -1;
    const show = (place) => {
      shown = Math.min(count - 1, Math.max(0, place));
      cross.setAttribute("d", `M${at(shown)} 0V${plot.viewBox.baseVal.height}`);
      cross.removeAttribute("display");
      const [first, step] = own.time ?? [];
      const name = own.time ? `${stamp(first + shown * step)} UTC` : own.labels[shown];
      readout.textContent = [name, ...own.rows.map(([name, values]) => `${name} ${values[shown]}`)].join(" · ");
    };
    const hide = () => { cross.setAttribute("display", "none"); readout.textContent = ""; };
    const across = (pointer) => {
      const box = chart.getBoundingClientRect();
      const x = ((pointer.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
      return (x - Number(plot.getAttribute("x"))) / Number(plot.getAttribute("width"));
    };
    let begun = null;
    chart.addEventListener("pointermove", (pointer) => {
      const view = plot.viewBox.baseVal;
      const x = view.x + across(pointer) * view.width;
      let nearest = 0;
      for (let place = 1; place < count; place++) {
        if (Math.abs(at(place) - x) < Math.abs(at(nearest) - x)) nearest = place;
      }
      show(nearest);
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("pointerdown", (pointer) => { begun = across(pointer); });
    chart.addEventListener("pointerup", (pointer) => {
      const [lo, hi] = [begun, across(pointer)].sort((a, b) => a - b).map((x) => from + x * (to - from));
      if (begun !== null && own.time && hi - lo > 0.04 * (to - from)) zoom(lo, hi);
      begun = null;
    });
    chart.setAttribute("tabindex", "0");
    chart.addEventListener("keydown", (key) => {
      if (shown < 0) shown = own.time ? Math.round(from * count) - 1 : -1;
      const moves = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: count - 1 };
      const zooms = { "+": "in", "-": "out", "0": "all" };
      if (key.key in moves) show(moves[key.key]);
      else if (own.time && key.key in zooms) move[zooms[key.key]]();
      else if (key.key === "Escape") hide();
      else return;
      key.preventDefault();
    });
    chart.addEventListener("blur", hide);
  });

  // Paper has no summary to click.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open]):not(.calls details:not(.more))");
    closed.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
})();
