//! What browsers and clients write is read, whatever the pieces are that it comes in; what could be read in two ways is
//! refused.

use std::time::Duration;

use futures_util::stream;
use proptest::prelude::*;

use super::*;
use crate::rates::Key;
use crate::rates::memory::BodyMemory;

/// Parts by name, the name of the file, and the bytes; or what is wrong.
type Outcome = Result<Vec<(String, Option<String>, Vec<u8>)>, Malformed>;

/// Splits a body that comes in these pieces.
fn split<'p>(boundary: &str, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let mut splitter = Splitter::new(boundary);
    let mut parts: Vec<(String, Option<String>, Vec<u8>)> = Vec::new();
    let mut ended = 0;
    for piece in pieces {
        splitter.push(piece);
        while let Some(piece) = splitter.next()? {
            match piece {
                Piece::Part(Part { name, file_name }) => {
                    assert_eq!(ended, parts.len());
                    parts.push((name, file_name, Vec::new()));
                }
                Piece::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    parts.last_mut().unwrap().2.extend(bytes);
                }
                Piece::PartEnd => ended += 1,
            }
        }
    }
    splitter.finish()?;
    assert_eq!(ended, parts.len());
    Ok(parts)
}

/// The one part of this disposition.
fn disposed(disposition: &str) -> Result<(String, Option<String>), Malformed> {
    let body = format!("--b\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--b--\r\n");
    split("b", [body.as_bytes()]).map(|parts| (parts[0].0.clone(), parts[0].1.clone()))
}

#[test]
fn parts_are_named_as_browsers_and_clients_write_it() {
    for (given, name, file_name) in [
        // Browsers.
        ("form-data; name=\"file\"; filename=\"a.txt\"", "file", Some("a.txt")),
        ("form-data; name=\"file\"; filename=\"my %22best%22.txt\"", "file", Some("my \"best\".txt")),
        ("form-data; name=\"file\"; filename=\"a%0D%0Ab.txt\"", "file", Some("a\r\nb.txt")),
        ("form-data; name=\"file\"; filename=\"100%.txt\"", "file", Some("100%.txt")),
        ("form-data; name=\"file\"; filename=\"100%25.txt\"", "file", Some("100%25.txt")),
        ("form-data; name=\"file\"; filename=\"naïve 写真.txt\"", "file", Some("naïve 写真.txt")),
        ("form-data; name=\"file\"; filename=\"my; name=x.txt\"", "file", Some("my; name=x.txt")),
        ("form-data; filename=\"my; name=x.txt\"; name=\"file\"", "file", Some("my; name=x.txt")),
        ("form-data; filename=\"; name=%22x%22; .txt\"; name=\"file\"", "file", Some("; name=\"x\"; .txt")),
        ("form-data; name=\"file\"; filename=\"a=b, c:d;e.txt\"", "file", Some("a=b, c:d;e.txt")),
        ("form-data; name=\"file\"; filename=\"\"", "file", Some("")),
        ("form-data; name=\"conversation_id\"", "conversation_id", None),
        // Older ones: a backslash before a quote, and whole paths of Windows.
        ("form-data; name=\"file\"; filename=\"my \\\"best\\\".txt\"", "file", Some("my \"best\".txt")),
        ("form-data; filename=\"a\\\"; name=\\\"x\"; name=\"file\"", "file", Some("a\"; name=\"x")),
        ("form-data; name=\"file\"; filename=\"C:\\new\\a.txt\"", "file", Some("C:\\new\\a.txt")),
        ("form-data; name=\"file\"; filename=\"a\\\\b.txt\"", "file", Some("a\\b.txt")),
        ("form-data; name=\"file\"; filename=\"a\\\"", "file", Some("a\\")),
        // Other clients: upper case, tokens, spaces, a last semicolon, any order, the extended form.
        ("FORM-DATA; NAME=\"file\"; FileName=\"a.txt\"", "file", Some("a.txt")),
        ("form-data; name=file; filename=a.txt", "file", Some("a.txt")),
        ("form-data;name=file;filename=a.txt;", "file", Some("a.txt")),
        ("form-data ; name=\"file\" ;\tfilename=\"a.txt\" ; ", "file", Some("a.txt")),
        ("form-data; name=\"file\"; size=7; filename=\"a.txt\"", "file", Some("a.txt")),
        ("form-data; name=file; filename*=UTF-8''na%C3%AFve%20%22.txt", "file", Some("naïve \".txt")),
        (
            "form-data; name=file; filename=na_ve.txt; filename*=utf-8'en'na%C3%AFve.txt",
            "file",
            Some("naïve.txt"),
        ),
        ("form-data; name=file; filename*=iso-8859-1''na%EFve.txt", "file", Some("naïve.txt")),
        ("form-data; name=file; filename=a.txt; filename*=UTF-8''%FF", "file", Some("a.txt")),
        ("form-data; name=file; filename=a.txt; filename*=UTF-8''%zz", "file", Some("a.txt")),
        ("form-data; name=file; filename=a.txt; filename*=broken", "file", Some("a.txt")),
        ("form-data; filename*=UTF-8''%3B%20name%3Dx; name=file", "file", Some("; name=x")),
    ] {
        assert_eq!(disposed(given), Ok((name.to_owned(), file_name.map(str::to_owned))), "{given}");
    }
    // A client that writes no UTF-8.
    let body = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"na\xefve\"\r\n\r\n\r\n--b--";
    assert_eq!(split("b", [body.as_slice()]).unwrap()[0].1.as_deref(), Some("naïve"));
}

#[test]
fn a_disposition_that_breaks_the_grammar_or_names_nothing_is_refused() {
    for given in [
        "form-data",
        "form-data;",
        "form-data; filename=\"a.txt\"",
        "attachment; name=\"file\"",
        "form-data; name=\"file",
        "form-data; name=\"file\\\"; filename=\"a\"",
        "form-data; name=file\"; filename=\"a\"",
        "form-data; name=\"file\"; filename=\"a\"b\"",
        "form-data; name=\"file\" filename=\"a\"",
        "form-data; name=my file",
        "form-data; name=",
        "form-data; name",
        "form-data; =file",
        "form-data; name=\"a\"; name=\"file\"",
        "form-data; name=\"file\"; NAME=\"a\"",
        "form-data; name=\"file\"; filename=a; filename=b",
        "form-data, name=\"file\"",
        "form-data; name*=utf-8''file",
        "form-data; name=\"file\"; name*=utf-8''conversation_id",
        "form-data; NAME*=utf-8''conversation_id; name=\"file\"",
        "form-data; name*0=\"fi\"; name*1=\"le\"",
        "form-data; name=\"file\"; name*0*=utf-8''conversation_id",
        "",
    ] {
        assert_eq!(disposed(given), Err(Malformed::Disposition), "{given}");
    }
}

#[test]
fn bodies_are_read_as_clients_write_them_and_nothing_in_a_file_ends_it() {
    let head = "Content-Disposition: form-data; name=\"f\"\r\n\r\n";
    let text = |bytes: &[u8]| Ok(vec![("f".to_owned(), None, bytes.to_vec())]);
    for (what, body, bytes) in [
        ("usual", format!("--b\r\n{head}x\r\n--b--\r\n"), b"x".as_slice()),
        ("no last line break", format!("--b\r\n{head}x\r\n--b--"), b"x"),
        ("empty", format!("--b\r\n{head}\r\n--b--"), b""),
        ("line breaks", format!("--b\r\n{head}\r\n\r\n\r\n--b--"), b"\r\n\r\n"),
        ("before", format!("This is a form.\r\n--b\r\n{head}x\r\n--b--\r\n"), b"x"),
        ("a line break before", format!("\r\n--b\r\n{head}x\r\n--b--\r\n"), b"x"),
        ("behind", format!("--b\r\n{head}x\r\n--b--\r\nThe end\r\n--b\r\n"), b"x"),
        ("spaces behind the boundary", format!("--b \t\r\n{head}x\r\n--b--  \r\n"), b"x"),
        ("a longer line", format!("--b\r\n{head}x\r\n--bc\r\ny\r\n--b--"), b"x\r\n--bc\r\ny"),
        ("a boundary in a line", format!("--b\r\n{head}x --b--\r\n--b--"), b"x --b--"),
        ("a boundary behind a bare line feed", format!("--b\r\n{head}x\n--b--\r\n--b--"), b"x\n--b--"),
        ("half a boundary", format!("--b\r\n{head}x\r\n-\r\n--\r\n\r\n--b--"), b"x\r\n-\r\n--\r\n"),
        ("one dash behind", format!("--b\r\n{head}x\r\n--b-\r\n--b--"), b"x\r\n--b-"),
        (
            "headers in any case, folded, and others",
            "--b\r\nX-A: 1\r\ncontent-DISPOSITION:\r\n form-data;\r\n\tname=\"f\"\r\nContent-Type: text/plain\r\n\
                     Content-Transfer-Encoding: 8BIT\r\n\r\nx\r\n--b--"
                .to_owned(),
            b"x",
        ),
    ] {
        let (whole, pieces) = (body.as_bytes(), body.as_bytes().chunks(1));
        assert_eq!(split("b", [whole]), text(bytes), "{what}");
        assert_eq!(split("b", pieces), text(bytes), "{what}");
    }
}

#[test]
fn a_body_that_is_malformed_says_what_is_wrong() {
    let head = "Content-Disposition: form-data; name=\"f\"\r\n";
    let long = "x".repeat(9000);
    for (body, wrong) in [
        (String::new(), Malformed::NoBoundary),
        ("words".to_owned(), Malformed::NoBoundary),
        (format!("--c\r\n{head}\r\nx\r\n--c--"), Malformed::NoBoundary),
        (format!("--b\n{}\nx\n--b--", head.replace('\r', "")), Malformed::NoBoundary),
        (format!("--b\r\n{head}\r\nx"), Malformed::CutOff),
        (format!("--b\r\n{head}\r\nx\r\n--b"), Malformed::CutOff),
        (format!("--b\r\n{head}\r\nx\r\n--b-"), Malformed::CutOff),
        (format!("--b\r\n{head}\r\nx\r\n--b\r\n{head}"), Malformed::CutOff),
        (format!("--b\r\n{head}X-A: {long}\r\n\r\nx\r\n--b--"), Malformed::LargeHeaders),
        (format!("--b\r\n{}\r\nx\r\n--b--", "X-A: 1\r\n".repeat(2000)), Malformed::LargeHeaders),
        (format!("--b\r\nX-A:{}\r\n\r\nx\r\n--b--", "\r\n 1".repeat(3000)), Malformed::LargeHeaders),
        ("--b\r\n\r\nx\r\n--b--".to_owned(), Malformed::Disposition),
        ("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--".to_owned(), Malformed::Disposition),
        (format!("--b\r\n{head}{head}\r\nx\r\n--b--"), Malformed::Disposition),
        (format!("--b\r\n{head}no colon\r\n\r\nx\r\n--b--"), Malformed::Header),
        (format!("--b\r\n{head}X A: 1\r\n\r\nx\r\n--b--"), Malformed::Header),
        (format!("--b\r\n{head}: 1\r\n\r\nx\r\n--b--"), Malformed::Header),
        (format!("--b\r\n folded: 1\r\n{head}\r\nx\r\n--b--"), Malformed::Header),
        (format!("--b\r\n{head}X-A: a\0b\r\n\r\nx\r\n--b--"), Malformed::Header),
        (format!("--b\r\n{head}X-A: a\rb\r\n\r\nx\r\n--b--"), Malformed::Header),
        (format!("--b\r\n{}\r\nx\r\n--b--", head.replace("; n", ";\nn")), Malformed::Header),
        (
            format!("--b\r\n{head}Content-Transfer-Encoding: base64\r\n\r\nx\r\n--b--"),
            Malformed::TransferEncoding,
        ),
        (format!("{}\r\n--b\r\n{head}\r\nx\r\n--b--", "x".repeat(70_000)), Malformed::TooMuchAround),
        (format!("--b\r\n{head}\r\nx\r\n--b--{}", "x".repeat(70_000)), Malformed::TooMuchAround),
    ] {
        assert_eq!(split("b", [body.as_bytes()]), Err(wrong), "{body:.100}");
        assert_eq!(split("b", body.as_bytes().chunks(3)), Err(wrong), "{body:.100}");
    }
}

#[test]
fn no_more_is_held_than_a_boundary_and_one_piece() {
    let mut splitter = Splitter::new(&"b".repeat(70));
    splitter.push(
        format!("--{}\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n", "b".repeat(70)).as_bytes(),
    );
    assert!(matches!(splitter.next(), Ok(Some(Piece::Part(_)))));
    let mut given = 0;
    for _ in 0..1000 {
        // The worst: it looks like a boundary all along.
        splitter.push(format!("\r\n--{}", "b".repeat(69)).repeat(10).as_bytes());
        while let Some(Piece::Data(bytes)) = splitter.next().unwrap() {
            given += bytes.len();
        }
    }
    assert!(730_000 - given < 80, "{given}");
}

#[test]
fn the_boundary_is_read_as_clients_write_it() {
    let read = |given: &str| {
        boundary(&HeaderMap::from_iter([(header::CONTENT_TYPE, given.parse().unwrap())]))
            .map_err(|error| error.code())
    };
    let longest = "b".repeat(70);
    for (given, expected) in [
        ("multipart/form-data; boundary=b", "b"),
        ("Multipart/Form-Data;BOUNDARY=b", "b"),
        ("multipart/form-data; charset=utf-8; boundary=\"b\"", "b"),
        ("multipart/form-data; boundary=\"a b; c=d\"", "a b; c=d"),
        ("multipart/form-data; boundary=\"a:b/c?d=(e)\"", "a:b/c?d=(e)"),
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        (&format!("multipart/form-data; boundary={longest};"), &longest),
    ] {
        assert_eq!(read(given).as_deref(), Ok(expected), "{given}");
    }
    for (given, code) in [
        ("application/json", ErrorCode::UnsupportedMediaType),
        ("multipart/mixed; boundary=b", ErrorCode::UnsupportedMediaType),
        ("multipart/form-data-x; boundary=b", ErrorCode::UnsupportedMediaType),
        ("", ErrorCode::UnsupportedMediaType),
        ("multipart/form-data", ErrorCode::InvalidRequest),
        ("multipart/form-data; boundary=", ErrorCode::InvalidRequest),
        ("multipart/form-data; boundary=\"\"", ErrorCode::InvalidRequest),
        ("multipart/form-data; boundary=\"b ", ErrorCode::InvalidRequest),
        ("multipart/form-data; boundary=\"b \"", ErrorCode::InvalidRequest),
        ("multipart/form-data; boundary=a; boundary=b", ErrorCode::InvalidRequest),
        ("multipart/form-data; boundary=a b", ErrorCode::InvalidRequest),
        (&format!("multipart/form-data; boundary={longest}b"), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(read(given), Err(code), "{given}");
    }
}

#[tokio::test]
async fn a_part_that_is_not_read_to_its_end_is_skipped() {
    let part = |name: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n", "x".repeat(50))
    };
    let whole = [part("one"), part("two"), part("three"), "--b--".to_owned()].concat();
    let pieces: Vec<Bytes> = whole.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
    let chunks = stream::iter(pieces.into_iter().map(Ok::<_, warp::Error>));
    let mut body = Body::new(chunks, 1 << 20, Duration::from_secs(30), &BodyMemory::default(), Key::NODE);
    let mut parts = Multipart::new(&mut body, "b");
    let mut names = Vec::new();
    while let Some(part) = parts.next_part().await.unwrap() {
        names.push(part.name.clone());
        let expected = match part.name.as_str() {
            "one" => parts.text(50).await.unwrap().is_some(),
            "two" => parts.text(20).await.unwrap().is_none(),
            _ => true,
        };
        assert!(expected, "{names:?}");
    }
    assert_eq!(names, ["one", "two", "three"]);
    assert!(parts.next_part().await.unwrap().is_none() && parts.chunk().await.unwrap().is_none());
}

/// Bytes that are likely to look like a boundary.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\r\n--b".to_vec()),
        Just(b"-b--\r".to_vec()),
        Just(b"--b\r\n\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 1..4),
    ];
    proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_body_is_the_same_wherever_it_is_cut(
        files in proptest::collection::vec(bytes(), 1..4),
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let boundary = "b0undary b";
        let mut body = Vec::new();
        let mut expected = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let name = format!("f{at}");
            body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n").into_bytes());
            body.extend(file);
            body.extend(b"\r\n");
            expected.push((name, Some("x".to_owned()), file.clone()));
        }
        body.extend(format!("--{boundary}--\r\n").into_bytes());
        let mut pieces = Vec::new();
        let mut rest = body.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(split(boundary, pieces), Ok(expected.clone()));
        for at in 0..body.len() {
            let (front, back) = body.split_at(at);
            prop_assert_eq!(split(boundary, [front, back]), Ok(expected.clone()));
        }
        // Cut off before its last boundary is whole, it is none.
        for at in 0..body.len() - 4 {
            prop_assert!(split(boundary, [&body[..at]]).is_err());
        }
    }

    #[test]
    fn no_bytes_bring_the_splitter_down(body in bytes(), size in 1_usize..9) {
        let whole = [b"--b\r\nContent-Disposition: form-data; name=f\r\n\r\n".as_slice(), &body].concat();
        prop_assert_eq!(split("b", whole.chunks(size)), split("b", [whole.as_slice()]));
        prop_assert_eq!(split("b", body.chunks(size)), split("b", [body.as_slice()]));
    }
}
