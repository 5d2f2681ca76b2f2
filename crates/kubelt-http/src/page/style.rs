//! How pages look: by day and by night, on a phone and on a desk.

pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ink:light-dark(#1b1d28,#e8e9f0);--dim:light-dark(#667,#99a);\
--line:light-dark(#e4e5ec,#2c2e3a);--link:light-dark(#3340c4,#a5adff);--paper:light-dark(#fff,#14151c);\
--row:light-dark(#f5f6fb,#1b1d27);--key:light-dark(#8a3b12,#f0b48a);--text:light-dark(#1a6b3c,#8fd6a8)}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,sans-serif}\
main{max-width:62rem;margin:0 auto;padding:clamp(1rem,4vw,3rem) clamp(.75rem,3vw,2rem)}\
h1{font-size:1.05rem;font-weight:600;margin:0 0 1.25rem;line-height:1.7}\
.path{overflow-wrap:anywhere;font-weight:500}.note{color:var(--dim);font-size:.875rem}\
a{color:var(--link);text-decoration:none}a:hover,a:focus-visible{text-decoration:underline}\
table{width:100%;border-collapse:collapse;table-layout:fixed}\
td{padding:.45rem .5rem;border-top:1px solid var(--line);vertical-align:middle}\
tr:hover td{background:var(--row)}\
td:first-child{width:2.1rem;padding-right:0;color:var(--dim)}\
td:nth-child(2){overflow-wrap:anywhere}\
td:nth-child(3){width:9rem;font:.8rem ui-monospace,monospace}td:nth-child(3) a{color:var(--dim)}\
td:nth-child(4){width:6.5rem;text-align:right;white-space:nowrap;color:var(--dim);font-variant-numeric:tabular-nums}\
svg{display:block;width:1.15rem;height:1.15rem;fill:none;stroke:currentColor;stroke-width:1.6;\
stroke-linecap:round;stroke-linejoin:round}\
.d svg{color:var(--link);fill:color-mix(in srgb,var(--link) 16%,transparent)}\
nav{display:flex;justify-content:space-between;gap:1rem;margin-top:1.25rem}\
nav a{border:1px solid var(--line);border-radius:.5rem;padding:.4rem .9rem}\
pre{background:var(--row);border:1px solid var(--line);border-radius:.6rem;padding:1rem;margin:1rem 0;\
font:.85rem/1.6 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}\
.k{color:var(--key)}.s{color:var(--text)}.b{color:var(--dim)}\
@media(max-width:36rem){td:nth-child(3){display:none}td:nth-child(4){width:5rem;font-size:.875rem}}";
