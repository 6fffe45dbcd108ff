/** The style of a report, light and dark. */

export const STYLE = `
:root { color-scheme: light dark;
  --page: #f4f5f7; --raised: #ffffff; --plot: #fcfcfd; --text: #1b1f26; --muted: #58606c; --line: #d5d9e0;
  --accent: #1f57c3; --good: #0b7247; --bad: #b3261e; --warn-back: #fff3d6; --warn-text: #5c4300; --shared: #e7efff;
  --series-1: #2f62c8; --series-2: #c8500a; --series-3: #138a5b; --series-4: #8a4fc7; --series-5: #c2275f;
  --category-1: #2f62c8; --category-2: #d0620f; --category-3: #138a5b; --category-4: #8a4fc7; --category-5: #c2275f;
  --category-6: #857100; --category-7: #0a8296; --category-8: #8c5a3c; --category-9: #d0509f; --category-10: #4d5a6b;
  --category-other: #8b929c; --category-none: #b7bcc4;
  --ramp-1: #dd8f00; --ramp-2: #cf4f4a; --ramp-3: #a8327f; --ramp-4: #6b2d9b; --ramp-5: #2b1b73; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0f1217; --raised: #181c23; --plot: #12151b; --text: #e6e9ee; --muted: #a3acb9; --line: #343b46;
  --accent: #8ab0ff; --good: #5fd39a; --bad: #ff8a80; --warn-back: #3a2f10; --warn-text: #ffdf94; --shared: #22304d;
  --series-1: #7aa5ff; --series-2: #ff9a4d; --series-3: #4cc98f; --series-4: #c49bff; --series-5: #ff7fa6;
  --category-1: #7aa5ff; --category-2: #ff9a4d; --category-3: #4cc98f; --category-4: #c49bff; --category-5: #ff7fa6;
  --category-6: #d9c24a; --category-7: #4fc7dc; --category-8: #cfa07f; --category-9: #f29bd4; --category-10: #a9b6c8;
  --category-other: #7d8590; --category-none: #4a515b;
  --ramp-1: #7157cc; --ramp-2: #b0479c; --ramp-3: #e8626a; --ramp-4: #f79a4b; --ramp-5: #f7dc6f; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { scroll-padding-top: 3.5rem; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; z-index: 9; background: var(--raised); padding: .5rem 1rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
header, main, footer { max-width: 90rem; margin: 0 auto; padding: 0 1.25rem; }
header h1 { font-size: 1.6rem; margin: 1.25rem 0 0; overflow-wrap: anywhere; }
header p { margin: .15rem 0 .75rem; color: var(--muted); overflow-wrap: anywhere; }
nav { position: sticky; top: 0; z-index: 5; background: var(--page); border-bottom: 1px solid var(--line); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; max-width: 90rem; margin: 0 auto; padding: .45rem 1.25rem; }
a { color: var(--accent); }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
main > section { background: var(--raised); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.25rem 1.25rem; margin: 1.25rem 0; }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
.note, .notes, small { color: var(--muted); font-size: .875rem; }
.notes { padding-left: 1.2rem; }
.warning { background: var(--warn-back); color: var(--warn-text); border-radius: .35rem; padding: .6rem .9rem; margin: 0 0 1rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .75rem; margin: 0; }
.cards > div { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; }
.cards dt { color: var(--muted); font-size: .85rem; }
.cards dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.cards small { display: block; font-size: .8rem; line-height: 1.35; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .15rem 2rem; margin: 0 0 1rem; }
.facts > div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line); padding: .2rem 0; }
.facts dt { color: var(--muted); flex: none; }
.facts dd { margin: 0; text-align: right; overflow-wrap: anywhere; min-width: 0; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding: .25rem 0; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; }
tbody th { font-weight: 500; }
table.compact { width: auto; }
table.compact th, table.compact td { padding-right: 2rem; }
.number { text-align: right; white-space: nowrap; }
.scroll { overflow: auto; max-height: 28rem; }
.scroll th, .scroll td { overflow-wrap: break-word; }
.scroll thead th, .scroll tbody th { white-space: nowrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem 1.5rem; margin-top: 1rem; }
.chart { margin: 0; min-width: 0; }
figcaption { font-weight: 600; }
.plot { height: 17rem; width: 100%; }
details { font-size: .9rem; }
summary { color: var(--accent); cursor: pointer; width: fit-content; }
.error { color: var(--bad); }
.controls { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: end; margin-bottom: .75rem; }
.field { display: flex; flex-direction: column; gap: .15rem; font-size: .85rem; color: var(--muted); max-width: 100%; }
.grow { flex: 1 1 14rem; }
select, input[type=search], button { font: inherit; font-size: .95rem; color: var(--text); background: var(--page); border: 1px solid var(--muted); border-radius: .35rem; padding: .3rem .55rem; max-width: 100%; min-height: 2.1rem; }
button { cursor: pointer; }
fieldset { border: 0; margin: 0; padding: 0; }
fieldset legend { font-size: .85rem; color: var(--muted); padding: 0; margin-bottom: .15rem; }
fieldset label { display: inline-flex; align-items: center; gap: .3rem; margin-right: .9rem; min-height: 2.1rem; }
.views { display: grid; gap: 1rem; grid-template-columns: 1fr; }
.view h3 { margin-top: 0; overflow-wrap: anywhere; }
.canvas { position: relative; border: 1px solid var(--line); border-radius: .35rem; overflow: hidden; }
canvas { display: block; width: 100%; height: min(38rem, 68vh); touch-action: none; cursor: crosshair; background: var(--plot); }
.views-2 canvas { height: min(32rem, 60vh); }
canvas:focus-visible { outline-offset: -2px; }
.box { position: absolute; border: 1px dashed var(--text); pointer-events: none; }
.zoom { position: absolute; right: .5rem; top: .5rem; display: flex; flex-direction: column; gap: .3rem; }
.zoom button { width: 2.1rem; padding: 0; background: var(--raised); }
.legend { display: flex; flex-wrap: wrap; gap: .35rem .5rem; align-items: center; margin: .75rem 0; font-size: .9rem; }
.legend .name { font-weight: 600; margin-right: .25rem; }
.legend button { display: inline-flex; align-items: center; gap: .4rem; border-color: var(--line); min-height: 1.9rem; padding: .1rem .55rem; overflow-wrap: anywhere; }
.legend button[aria-pressed=false] { text-decoration: line-through; color: var(--muted); }
.legend button[aria-pressed=false] .swatch { visibility: hidden; }
.swatch { width: .8rem; height: .8rem; border-radius: 50%; flex: none; }
.count { color: var(--muted); }
.scale { display: inline-flex; align-items: center; gap: .5rem; }
.ramp { display: inline-block; width: 10rem; height: .8rem; border-radius: .2rem; }
.beside { display: grid; grid-template-columns: 1fr; gap: 1rem 2rem; }
.panel { min-width: 0; }
.panel .scroll { max-height: 26rem; }
.panel .scroll td:first-child { white-space: nowrap; max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
.panel dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; font-size: .9rem; }
.panel dt { color: var(--muted); }
.panel dd { margin: 0; overflow-wrap: anywhere; }
.panel .id { font-weight: 600; margin: 0; overflow-wrap: anywhere; }
.panel .text { margin: .25rem 0; }
.link { background: none; border: 0; padding: 0; min-height: 0; color: var(--accent); text-align: left; text-decoration: underline; overflow-wrap: anywhere; }
tr.selected { background: var(--shared); }
.mark { color: var(--good); font-size: .8rem; }
.lists { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); }
.tip { position: fixed; z-index: 8; max-width: 22rem; background: var(--raised); border: 1px solid var(--line); border-radius: .35rem; padding: .35rem .6rem; font-size: .85rem; pointer-events: none; box-shadow: 0 2px 8px rgb(0 0 0 / .2); }
.tip span { display: block; color: var(--muted); }
footer { color: var(--muted); font-size: .85rem; padding-bottom: 2rem; }
@media (min-width: 60rem) { .views-2 { grid-template-columns: 1fr 1fr; } .beside { grid-template-columns: 1fr 1fr; } }
@media (max-width: 40rem) { nav { position: static; } .panel .scroll td:first-child { max-width: 40vw; } }
@media print { nav, .controls, .zoom { display: none; } main > section { break-inside: avoid-page; } }
`
