//! What is an address in what people write, and what is none.

/// A text, and the addresses in it: as they are written, and where they lead when that is not the same.
pub(super) const ADDRESSES: [(&str, &[(&str, &str)]); 30] = [
    ("tea", &[]),
    ("see https://tea.example.", &[("https://tea.example", "https://tea.example/")]),
    ("http://tea.example/a?b=c&d=e#f, then", &[("http://tea.example/a?b=c&d=e#f", "")]),
    ("(http://tea.example/pot_(clay))", &[("http://tea.example/pot_(clay)", "")]),
    ("[tea](https://tea.example/x)!?", &[("https://tea.example/x", "")]),
    ("<https://tea.example/x>", &[("https://tea.example/x", "")]),
    (
        "\"https://tea.example/x\" and 'https://tea.example/y'",
        &[("https://tea.example/x", ""), ("https://tea.example/y", "")],
    ),
    (
        "„https://tea.example/x“ «https://tea.example/y»",
        &[("https://tea.example/x", ""), ("https://tea.example/y", "")],
    ),
    ("HTTPS://Tea.Example/Pot", &[("HTTPS://Tea.Example/Pot", "https://tea.example/Pot")]),
    (
        "https://müller.example/straße;",
        &[("https://müller.example/straße", "https://xn--mller-kva.example/stra%C3%9Fe")],
    ),
    (
        "見て：https://例え.テスト/道。次",
        &[("https://例え.テスト/道", "https://xn--r8jz45g.xn--zckzah/%E9%81%93")],
    ),
    ("https://a.example/\n\thttps://b.example/ …", &[("https://a.example/", ""), ("https://b.example/", "")]),
    ("https://[2001:db8::1]:8443/x]", &[("https://[2001:db8::1]:8443/x", "")]),
    ("https://tea.example/☕!", &[("https://tea.example/☕", "https://tea.example/%E2%98%95")]),
    ("http://127.0.0.1:8080/?q=https://b.example/", &[("http://127.0.0.1:8080/?q=https://b.example/", "")]),
    ("https://tea.example/\u{202e}gpj.exe", &[("https://tea.example/", "")]),
    ("<script src=\"https://tea.example/x.js\"></script>", &[("https://tea.example/x.js", "")]),
    ("https://tea.example/x\\@evil.example", &[("https://tea.example/x", "")]),
    (
        "https://a.example,https://b.example/x;https://c.example",
        &[("https://a.example", "https://a.example/"), ("https://b.example/x;https://c.example", "")],
    ),
    (
        "https://tea.example/می\u{200c}خواهم",
        &[(
            "https://tea.example/می\u{200c}خواهم",
            "https://tea.example/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85",
        )],
    ),
    ("**https://tea.example?q=1**", &[("https://tea.example?q=1", "https://tea.example/?q=1")]),
    ("javascript:alert(1)", &[]),
    ("JavaScript://tea.example/%0aalert(1)", &[]),
    ("data:text/html,<b> vbscript:x file:///etc/passwd ftp://tea.example/ mailto:a@tea.example", &[]),
    ("xhttps://tea.example/ 1http://tea.example/", &[]),
    ("https:// http:/// https://. http://:80/ https://%/", &[]),
    ("https://bank.example@evil.example/ https://a:b@evil.example/", &[]),
    ("http\u{17f}://tea.example/", &[]),
    ("http:/tea.example https:tea.example www.tea.example", &[]),
    ("", &[]),
];
