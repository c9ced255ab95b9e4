// Draws the Mermaid diagrams of a page, in its colours. Loads Mermaid (from this folder) only where there is a diagram.
(() => {
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => document.body.dataset.theme === "dark" || (document.body.dataset.theme !== "light" && dark.matches);

  async function draw(diagrams) {
    mermaid.initialize({ startOnLoad: false, theme: isDark() ? "dark" : "default", fontFamily: "inherit" });
    for (const [number, { source, picture }] of diagrams.entries()) {
      const { svg } = await mermaid.render(`diagram-${number}`, source);
      picture.innerHTML = svg;
    }
  }

  function start() {
    const diagrams = [...document.querySelectorAll(".mermaid-source")].map((block) => {
      const picture = document.createElement("div");
      picture.className = "diagram";
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", "Diagram");
      block.before(picture);
      return { source: block.querySelector("pre").textContent, picture, block };
    });
    if (diagrams.length === 0) return;
    const script = document.createElement("script");
    script.src = `${folder}mermaid.tiny.js`;
    script.onload = async () => {
      await draw(diagrams);
      for (const { block } of diagrams) block.remove();
      const redraw = () => draw(diagrams);
      new MutationObserver(redraw).observe(document.body, { attributeFilter: ["data-theme"] });
      dark.addEventListener("change", redraw);
    };
    document.head.append(script);
  }

  start();
})();
