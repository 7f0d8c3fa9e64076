// Filters, themes and printing. Without this script the page is whole: nothing is hidden that it would show.
"use strict";
(() => {
  const form = document.querySelector("form.filters");
  const theme = document.querySelector("button.theme");
  const themes = { "": "as the system", light: "light", dark: "dark" };
  let chosen = "";

  // form.elements.item is a method, so that the fields are asked for by name
  const fieldsOf = (of) =>
    Object.fromEntries(["failing", "item", "use", "client", "text"].map((name) => [name, of.elements.namedItem(name)]));

  // The state stands in the address, so that a view can be passed on: #failing=yes&item=tools
  const read = () => (location.hash.includes("=") ? new URLSearchParams(location.hash.slice(1)) : null);

  const showTheme = () => {
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    theme.textContent = `Theme: ${themes[chosen]}`;
  };

  const state = () => {
    const fields = new URLSearchParams();
    if (form) {
      const { failing, item, use, client, text } = fieldsOf(form);
      if (failing.checked) fields.set("failing", "yes");
      for (const field of [item, use, client, text]) if (field.value.trim()) fields.set(field.name, field.value.trim());
    }
    if (chosen) fields.set("theme", chosen);
    return fields;
  };

  const write = () => history.replaceState(null, "", `#${state()}`);

  const entries = [...document.querySelectorAll("[data-filtered]")].map((element) => ({
    element,
    kind: element.dataset.filtered,
    failing: element.dataset.failing === "yes",
    item: element.dataset.item,
    musts: element.dataset.musts.split(" "),
    clients: element.dataset.clients.split(" "),
    text: element.textContent.toLowerCase(),
  }));

  const apply = () => {
    const { failing, item, use, client, text } = fieldsOf(form);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = { check: [0, 0], finding: [0, 0] };
    for (const entry of entries) {
      const passes =
        (!failing.checked || entry.failing) &&
        (!item.value || entry.item === item.value) &&
        (!use.value || entry.musts.includes(use.value)) &&
        (!client.value || entry.clients.includes(client.value)) &&
        words.every((word) => entry.text.includes(word));
      entry.element.hidden = !passes;
      shown[entry.kind][1] += 1;
      if (passes) shown[entry.kind][0] += 1;
    }
    const said = (kind, name) => `${shown[kind][0]} of ${shown[kind][1]} ${name}`;
    form.querySelector(".count").textContent = `${said("check", "checks")}, ${said("finding", "findings")}`;
    const filtered = shown.check[0] < shown.check[1];
    const settled = document.querySelector("details.settled");
    if (settled) {
      const left = settled.querySelectorAll("tbody tr:not([hidden])").length;
      const all = settled.querySelectorAll("tbody tr").length;
      settled.hidden = filtered && left === 0;
      settled.open = filtered && left > 0;
      settled.querySelector("summary").textContent =
        `${left < all ? `${left} of ${all}` : all} checks that hold or were set aside`;
    }
    const nothing = document.querySelector(".nothing");
    nothing.hidden = shown.finding[1] === 0 || shown.finding[0] > 0;
  };

  const clear = () => {
    form.reset();
    apply();
  };

  // A link to a finding opens it, and shows it where the filters had hidden it.
  const follow = () => {
    // the page's own names need no decoding
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (form && target.hidden) clear();
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    target.scrollIntoView();
    if (target.matches("details")) target.querySelector("summary").focus({ preventScroll: true });
  };

  const restore = () => {
    const fields = read();
    if (!fields) {
      follow();
      return;
    }
    chosen = fields.get("theme") in themes ? fields.get("theme") : "";
    showTheme();
    if (!form) return;
    const { failing, item, use, client, text } = fieldsOf(form);
    failing.checked = fields.get("failing") === "yes";
    for (const field of [item, use, client]) {
      const value = fields.get(field.name) || "";
      field.value = [...field.options].some((option) => option.value === value) ? value : "";
    }
    text.value = fields.get("text") || "";
    apply();
  };

  theme.hidden = false;
  theme.addEventListener("click", () => {
    const names = Object.keys(themes);
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    showTheme();
    write();
  });
  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    // text changes with each key; not every browser says "input" of a list or a box
    for (const event of ["input", "change"]) {
      form.addEventListener(event, () => {
        apply();
        write();
      });
    }
    form.addEventListener("reset", () => {
      // the fields are empty only after this event
      setTimeout(() => {
        apply();
        write();
      });
    });
    apply();
  }
  restore();
  addEventListener("hashchange", restore);

  // On paper nothing can be opened: findings and tables are printed open, exchanges stay folded.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.finding:not([open]), details.target:not([open]), .plot details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
    opened = [];
  });
})();
