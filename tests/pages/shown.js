// Follows data-at, data-key and data-each as src/report/page/mod.rs describes them.
const key = (element) => {
  if (element.dataset.key !== undefined) return element.dataset.key;
  if (element.tagName === "B") return element.closest("[data-each]")?.dataset.each;
  if (element.tagName !== "TD") return undefined;
  return element.closest("table").tHead?.rows[0].cells[element.cellIndex]?.dataset.key;
};
const shown = [];
for (const element of document.querySelectorAll("[data-key], td, .calls b")) {
  const own = key(element);
  if (own === undefined || own === "-" || (element.tagName === "TH" && element.closest("thead"))) continue;
  let at = "";
  for (let around = element; around; around = around.parentElement) at = (around.dataset?.at ?? "") + at;
  shown.push([at + own, element.textContent, element.dataset.value ?? null]);
}
return shown;
