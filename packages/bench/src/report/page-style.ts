import { CHART_STYLE } from './chart.js';
import { palette } from './palette.js';

export const PAGE_STYLE = `${palette(':root')}
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:32px}
h1{font-size:30px;line-height:1.2;margin:0 0 4px}
h2{font-size:22px;line-height:1.3;margin:48px 0 4px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:15px;line-height:1.35;margin:0 0 12px}
p{margin:0 0 12px;max-width:75ch}
a{color:var(--ours)}
code{font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.92em}
.lead,footer,dt,caption,summary{color:var(--muted)}
.warn{background:var(--warn);color:var(--warntext);border-left:4px solid currentColor;border-radius:4px;padding:10px 14px;margin:16px 0;max-width:none}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:10px 24px;margin:20px 0}
dt{font-size:13px}dd{margin:0}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:0;padding:0}
.tally{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0 0;padding:0;list-style:none}
.tally li{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px;font-size:14px;color:var(--muted);flex:1 1 160px}
.tally b{display:block;font-size:24px;line-height:1.25;color:var(--text)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:20px;margin:16px 0;align-items:start}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:18px;min-width:0;margin:0}
.card .chart{width:100%;max-width:460px;height:auto}
.single .card{grid-column:1/-1}.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px 28px;align-items:start}
.beside>*{min-width:0}
.block{margin:16px 0}
details{margin-top:12px}summary{cursor:pointer;font-size:14px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.scroll{position:relative;overflow-x:auto;margin-top:8px;overflow-wrap:normal;background:linear-gradient(to left,var(--card) 40%,transparent) right/48px 100% no-repeat local,linear-gradient(to left,var(--shade),transparent) right/16px 100% no-repeat scroll}
.scroll:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--ours);outline-offset:2px}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:13px;padding-bottom:6px;overflow-wrap:anywhere;max-width:80vw}
th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-top:1px solid var(--line);max-width:26em}
tbody th{font-weight:400;min-width:13em;overflow-wrap:anywhere}thead th{border-top:0;font-size:13px;color:var(--muted);white-space:nowrap}
td{overflow-wrap:anywhere;min-width:4.5em}td.l{min-width:18em}td.ll{min-width:36em;max-width:36em}
.n{text-align:right;white-space:nowrap}
tbody .mine{font-weight:700;color:var(--ours)}.good{color:var(--good);font-weight:700;white-space:nowrap}.bad{color:var(--bad);font-weight:700;white-space:nowrap}
footer{padding-top:32px;padding-bottom:48px;font-size:14px}
@media (max-width:600px){main,header,footer{padding-left:10px;padding-right:10px}header{padding-top:20px}.card{padding:14px 12px}h1{font-size:25px}h2{font-size:20px;margin-top:36px}dl{grid-template-columns:1fr 1fr}table{font-size:13px}th,td{padding-right:10px}tbody th{min-width:9em}}
@media print{.card{break-inside:avoid}}
${CHART_STYLE}`;
