//! Texts: in which encodings they are taken, and which of them are documents that a browser would run.

use super::*;

#[test]
fn text_in_utf8_says_so_and_keeps_what_terminals_and_chats_write() {
    for text in [
        "\u{feff}grüße\r\n\t👋",
        "a < b, and <3",
        "< not markup",
        "\u{1b}[31merror\u{1b}[0m: no \u{1b}]0;title\u{7}such file\n",
        "page one\u{c}page two",
        "b\u{8}bo\u{8}ol\u{8}ld",
        "text with \u{85} in it",
        "line\r\nof DOS\r\n\u{1a}",
        "<ann> hi\n<bob> hello\n",
        "<b> me too",
        "<p align=\"center\"><img src=\"logo.png\"></p>\n\n# A project\n",
        "<div align='center'>\n\n# A project",
        "<h1 align=center>A project</h1>",
        "<a href=\"https://example.org\">A project</a>",
        "<!-- badges -->\n# A project",
        "<!-- one --> <!-- two --><br>\n",
        "12:01 <ann> hello \u{3}04red\u{3} world, how are you today, and what is it that you are doing?",
        "0104012345678901\u{1d}17261231\u{1d}10AB\n",
        "\u{1e}{\"a\":1}\n\u{1e}{\"a\":2}\n",
        "00026 \u{1f}aTitle\u{1e}\u{1d}",
        "BMW 320, 1998",
        "GIF89a is how a GIF begins",
        "RIFF and raff",
        "the ftyp box",
        "a text that says %PDF-1.7 early",
    ] {
        let found = Found { kind: Kind::Text, is_utf8: true, pixels: 0 };
        for name in ["chat.txt", "README", "README.md", "chat.log"] {
            assert_eq!(find(text.as_bytes(), name), Ok(found), "{text:?} as {name}");
        }
        assert_eq!(judge(text.as_bytes(), "Table.CSV"), Ok(Kind::Csv));
    }
}

#[test]
fn text_in_any_other_encoding_is_text_that_says_none() {
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let cases: Vec<Vec<u8>> = vec![
        b"caf\xe9".to_vec(),
        b"cut caf\xc3".to_vec(),
        b"\xff".to_vec(),
        b"From: a@example.org\r\n\r\nM\xfcller \xdf\r\n".to_vec(),
        b"\x1b[31mM\xfcller\x1b[0m\x0c".to_vec(),
        b"\x1b$B$3$s\x1b(B".to_vec(),
        b"\x1b$)C\x0e>H3g\x0f\r\n".to_vec(),
        b"\xff\xfe".to_vec(),
        utf16("\u{feff}a"),
        utf16("\u{feff}<ann> hi 👋"),
        utf16("\u{feff}日本語"),
        utf16("no mark at all"),
    ];
    for bytes in cases {
        let found = find(&bytes, "a.txt");
        assert_eq!(found, Ok(Found { kind: Kind::Text, is_utf8: false, pixels: 0 }), "{bytes:?}");
    }
}

/// As it is written in UTF-16 and UTF-32, in both orders, without a mark.
fn wide(text: &str) -> [Vec<u8>; 4] {
    let (units, whole) = (|| text.encode_utf16(), || text.chars().map(u32::from));
    [
        units().flat_map(u16::to_le_bytes).collect(),
        units().flat_map(u16::to_be_bytes).collect(),
        whole().flat_map(u32::to_le_bytes).collect(),
        whole().flat_map(u32::to_be_bytes).collect(),
    ]
}

#[test]
fn text_in_wide_characters_needs_no_mark_in_any_alphabet() {
    for text in [
        "Добрый день! Заказ № 4711 ещё не пришёл.\r\n",
        "Καλημέρα, η παραγγελία δεν έφτασε.\n",
        "שלום, ההזמנה לא הגיעה",
        "مرحبا، لم يصل طلبي بعد",
        "สวัสดีครับ ยังไม่ได้รับสินค้า",
        "नमस्ते, मेरा ऑर्डर नहीं आया",
        "您好，我的订单还没有到。谢谢！",
        "こんにちは。商品がまだ届いていません。\r\n",
        "안녕하세요, 주문한 상품이 아직 도착하지 않았습니다.",
        "Đơn hàng chưa đến 👋\n",
        "id;name\r\n1;Фёдор\r\n",
    ] {
        for bytes in wide(text).into_iter().chain(wide(&text.repeat(500))) {
            let found = find(&bytes, "a.txt").map(|found| (found.kind, found.is_utf8));
            assert_eq!(found, Ok((Kind::Text, false)), "{text}: {:?}", &bytes[..8]);
        }
    }
    for text in ["<html>", "<!DOCTYPE html>", "<svg/>", "<script>1</script>заказ"] {
        for bytes in wide(text) {
            assert_eq!(judge(&bytes, "a.txt"), Err(Refusal::Kind), "{text}: {bytes:?}");
        }
    }
    // Numbers of two bytes are no characters, though many look like some.
    let scattered = |n: u32| (n.wrapping_mul(2_654_435_761) >> 16) as u16;
    let numbers: Vec<u8> = (0..3000).flat_map(|n| scattered(n).to_le_bytes()).collect();
    let counted: Vec<u8> = (1..3000u16).flat_map(u16::to_le_bytes).collect();
    for bytes in [&numbers, &counted, &numbers[..64].to_vec()] {
        assert_eq!(judge(bytes, "a.txt"), Err(Refusal::Kind), "{:?}", &bytes[..8]);
    }
}

#[test]
fn what_a_browser_would_run_is_refused_whatever_it_is_called() {
    let markup = [
        "<html>",
        "<!DOCTYPE html>",
        "<!doctype svg PUBLIC 'x'>",
        " \r\n\t<HTML",
        "<?xml version='1.0'?><a/>",
        "<?xml-stylesheet href='x'?><a/>",
        "<svg xmlns='x' onload='a()'/>",
        "<x:svg xmlns:x='http://www.w3.org/2000/svg'/>",
        "\u{feff}<script>alert(1)</script>",
        "<body onload=a()>",
        "<iframe src=x>",
        "<title>x</title>",
        "<!-- --><svg/>",
        "<!-- one -->\n<!-- two -->\n<Html lang=en>",
        "<!-- never ends <svg/>",
    ];
    for text in markup {
        let mark = |text: &str| format!("\u{feff}{}", text.trim_start_matches('\u{feff}'));
        let little: Vec<u8> = mark(text).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = mark(text).encode_utf16().flat_map(u16::to_be_bytes).collect();
        let wide: Vec<u8> = mark(text).chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let legacy = [text.trim_start_matches('\u{feff}').as_bytes(), b" caf\xe9"].concat();
        for bytes in [text.as_bytes(), &little, &big, &wide, &legacy] {
            for name in ["a.txt", "a.png", "a.csv", "a.svg", "a", "a.eml"] {
                assert_eq!(judge(bytes, name), Err(Refusal::Kind), "{name}: {text}");
            }
        }
    }
    for name in [
        "a.js",
        "a.html",
        "a.SVG",
        "a.xml",
        "a.mjs.",
        "x/a.js ",
        "a.txt.j\u{202e}s",
        "a.hta",
        "a.ps1",
        "a.reg",
    ] {
        assert_eq!(judge(b"alert(1)", name), Err(Refusal::Kind), "{name}");
        assert_eq!(judge(b"\xff\xfea\0l\0", name), Err(Refusal::Kind), "{name}");
    }
}
