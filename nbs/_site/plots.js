// Draw the stored plotly figures of a page. Their background is left clear, so that the dark palette works too.
for (const d of document.querySelectorAll(".plotly-figure")) {
  const f = JSON.parse(d.querySelector("script").textContent);
  const dark = document.body.getAttribute("data-md-color-scheme") === "slate";
  const font = {...(f.layout.font || {}), color: dark ? "#ddd" : "#333"};
  Plotly.newPlot(d, f.data, {...f.layout, font, paper_bgcolor: "rgba(0,0,0,0)", width: undefined, autosize: true}, {responsive: true, displaylogo: false});
}
