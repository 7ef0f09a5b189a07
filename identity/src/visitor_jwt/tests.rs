//! Identity tokens: which are taken, which are refused, and what is said of those.

use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_S: u64 = 1_700_000_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn check(header: &str, payload: &str) -> Result<Claims, JwtError> {
    verify(&sign(header, payload, SECRET), SECRET, Timestamp::from_ms(NOW_S * 1000))
}

fn payload(more: &str) -> String {
    format!(r#"{{"sub":"u1","exp":{}{more}}}"#, NOW_S + 10)
}

#[test]
fn a_signed_identity_is_read() {
    let claims =
        check(HEADER, &payload(r#","name":"Ann","email":"Ann@Example.org","iat":1699999990,"role":"x""#))
            .unwrap();
    assert_eq!(claims.subject.as_str(), "u1");
    assert_eq!(claims.name.unwrap().as_str(), "Ann");
    assert_eq!(claims.email.unwrap().as_str(), "ann@example.org");
}

#[test]
fn only_hmac_with_the_site_s_secret_counts_whatever_else_the_header_says() {
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS1"}"#,
        r#"{"alg":"HS512/256"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":""}"#,
    ] {
        assert_eq!(check(header, &payload("")), Err(JwtError::Algorithm), "{header}");
    }
    for header in [r#"{"typ":"JWT"}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":"HS256","alg":"none"}"#, "HS256", ""]
    {
        assert!(matches!(check(header, &payload("")), Err(JwtError::Form(_))), "{header}");
    }
    assert_eq!(check(r#"{"alg":"HS256","crit":["exp"]}"#, &payload("")), Err(JwtError::Critical));
    let naming = r#"{"alg":"HS256","kid":"../../dev/null","jku":"https://evil.test","jwk":{"kty":"oct","k":"YQ"},"x5u":"x"}"#;
    assert!(check(naming, &payload("")).is_ok());
    let own_key = sign(naming, &payload(""), b"a");
    assert_eq!(verify(&own_key, SECRET, Timestamp::from_ms(NOW_S * 1000)), Err(JwtError::Signature));
}

#[test]
fn each_changed_byte_of_the_signature_spoils_it() {
    let token = sign(HEADER, &payload(""), SECRET);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let now = Timestamp::from_ms(NOW_S * 1000);
    for at in 0..signature.len() {
        for bit in 0..8 {
            let mut changed = signature.clone();
            changed[at] ^= 1 << bit;
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(verify(&token, SECRET, now), Err(JwtError::Signature), "byte {at}, bit {bit}");
        }
    }
    for shorter in [&signature[..31], &signature[..16], &[]] {
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(shorter));
        assert_eq!(verify(&token, SECRET, now), Err(JwtError::Signature));
    }
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(std::str::from_utf8(&changed).unwrap(), SECRET, now).is_err(), "character {at}");
    }
}

#[test]
fn times_are_checked_with_a_minute_of_leeway() {
    let at = |claims: String| check(HEADER, &format!(r#"{{"sub":"u1",{claims}}}"#));
    assert!(at(format!(r#""exp":{}"#, NOW_S - 59)).is_ok());
    assert_eq!(at(format!(r#""exp":{}"#, NOW_S - 60)), Err(JwtError::Expired { ago_s: 60 }));
    assert_eq!(at(r#""exp":-1e300"#.into()), Err(JwtError::Expired { ago_s: u64::MAX }));
    assert!(at(format!(r#""exp":{}.5,"nbf":{}"#, NOW_S + 9, NOW_S + 60)).is_ok());
    assert_eq!(
        at(format!(r#""exp":{},"nbf":{}"#, NOW_S + 90, NOW_S + 61)),
        Err(JwtError::NotYet { in_s: 61 })
    );
    // However far away the end is: a token that says when it was made is good for thirty days.
    let made = |ago_s: u64| at(format!(r#""exp":9999999999,"iat":{}"#, NOW_S - ago_s));
    assert!(made(30 * 86_400).is_ok());
    assert_eq!(made(31 * 86_400), Err(JwtError::Old { ago_s: 86_400 }));
    for no_time in [r#""iat":null"#, r#""iat":"1""#, r#""iat":[]"#] {
        assert!(at(format!(r#""exp":9999999999,{no_time}"#)).is_ok(), "{no_time}");
    }
}

#[test]
fn what_real_libraries_write_is_read() {
    let secret = b"thirty-two bytes of a secret key";
    let now = Timestamp::from_ms(NOW_S * 1000);
    for line in include_str!("tokens.txt").lines() {
        let (said, token) = line.rsplit_once(' ').unwrap();
        let [library, subject, name, email] = *said.split('|').collect::<Vec<_>>() else { panic!("{line}") };
        let claims = verify(token, secret, now).unwrap_or_else(|error| panic!("{library}: {error}"));
        assert_eq!(claims.subject.as_str(), subject, "{library}");
        assert_eq!(claims.name.as_ref().map_or("", Name::as_str), name, "{library}");
        assert_eq!(claims.email.as_ref().map_or("", Email::as_str), email, "{library}");
        assert_eq!(verify(token, SECRET, now), Err(JwtError::Signature), "{library}");
        // Padded at its end.
        let parts: Vec<&str> = token.split('.').collect();
        let padded = format!(
            "{}.{}.{}",
            parts[0],
            parts[1],
            URL_SAFE.encode(URL_SAFE_NO_PAD.decode(parts[2]).unwrap())
        );
        assert_eq!(verify(&padded, secret, now).unwrap().subject.as_str(), subject, "{library}");
    }
    let refused = [
        // jsonwebtoken's `expiresIn: "3600"`, which it takes for milliseconds.
        (
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyLTE3IiwiaWF0IjoxNjk5OTk5MDAwLCJleHAiOjE2OTk5OTkwMDMuNn0.HgeEJNWSvJEEKeYUkWWHogQKLwOvsG03nEjL7NR-L1I",
            "the identity token expired 996 seconds ago, as its claim exp says (in seconds since 1970)",
        ),
        (
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyLTE3In0.Tub7-RlYTorfu5lulU01tHaaj8HfdsXw6b5wAnynZQw",
            "the identity token's claim exp must be there: when the token ends, in seconds since 1970",
        ),
        (
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1c2VyLTE3IiwiZXhwIjo5OTk5OTk5OTk5fQ.",
            "the identity token must be signed with HS256, HS384 or HS512",
        ),
    ];
    for (token, message) in refused {
        assert_eq!(verify(token, secret, now).unwrap_err().to_string(), message);
    }
}

#[test]
fn padded_parts_are_read_in_either_alphabet() {
    let now = Timestamp::from_ms(NOW_S * 1000);
    let signed_as = |alphabet: &dyn Fn(&str) -> String, end: &dyn Fn(&[u8]) -> String| {
        // The name makes the two alphabets differ.
        let body = payload(r#","name":"~~~???>>>ü""#);
        let signed = format!("{}.{}", alphabet(HEADER), alphabet(&body));
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", end(&mac.finalize().into_bytes()))
    };
    let padded = signed_as(&|text| URL_SAFE.encode(text), &|bytes| URL_SAFE.encode(bytes));
    let plain = signed_as(&|text| STANDARD.encode(text), &|bytes| STANDARD.encode(bytes));
    assert!(padded.contains('=') && plain.contains(['+', '/']), "{padded} {plain}");
    for token in [&padded, &plain, &format!(" {padded}\r\n"), &format!("{plain}\n")] {
        let name = verify(token, SECRET, now).unwrap().name.unwrap();
        assert_eq!(name.as_str(), "~~~???>>>ü", "{token:?}");
        assert_eq!(verify(token, b"another", now), Err(JwtError::Signature), "{token:?}");
    }
    for (token, rule) in [
        ("a!.b.c".to_owned(), "its parts must be base64url"),
        (format!("Bearer {padded}"), "its parts must be base64url"),
        (padded.replace('.', ". "), "its parts must be base64url"),
        (String::new(), "it must be three parts with dots between them"),
    ] {
        assert_eq!(verify(&token, SECRET, now), Err(JwtError::Form(rule)), "{token:?}");
    }
}

#[test]
fn a_subject_may_be_a_number_and_what_need_not_be_there_may_be_anything() {
    let end = NOW_S + 10;
    for (subject, read) in [
        (r#""u1""#, "u1"),
        ("17", "17"),
        ("0", "0"),
        ("-3", "-3"),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        let claims = check(HEADER, &format!(r#"{{"sub":{subject},"exp":{end}}}"#)).unwrap();
        assert_eq!(claims.subject.as_str(), read);
    }
    for (given, name, email) in [
        (r#""name":"","email":"""#, None, None),
        (r#""name":null,"email":null"#, None, None),
        (r#""name":17,"email":{}"#, None, None),
        (r#""name":" ","email":"no address""#, None, None),
        (r#""name":"a\u0000b","email":["a@b.org"]"#, None, None),
        (r#""name":" Ann ","email":" Ann@b.org ""#, Some("Ann"), Some("ann@b.org")),
        (r#""name":"\ud800","email":"ann@b.org""#, None, Some("ann@b.org")),
        (r#""name":"Ann","email":"\udc00@b.org""#, Some("Ann"), None),
        (r#""name":1e999,"email":[1e999]"#, None, None),
        (r#""name":"\u200b","email":"\u200b""#, None, None),
    ] {
        let claims = check(HEADER, &payload(&format!(",{given}"))).unwrap();
        let read = (claims.name.as_ref().map(Name::as_str), claims.email.as_ref().map(Email::as_str));
        assert_eq!(read, (name, email), "{given}");
    }
}

#[test]
fn what_is_missing_or_malformed_is_refused_and_the_claim_is_named() {
    for (payload, named) in [
        (r#"{"sub":"u1"}"#, "claim exp must be there"),
        (r#"{"sub":"u1","exp":null}"#, "claim exp must be there"),
        (r#"{"sub":"u1","exp":"1800000000"}"#, "claim exp must be a number, not a text"),
        (r#"{"sub":"u1","exp":true}"#, "claim exp must be a number"),
        (r#"{"sub":"u1","exp":1800000000,"nbf":"1"}"#, "claim nbf must be a number"),
        (r#"{"exp":1800000000}"#, "claim sub must be who the visitor is"),
        (r#"{"sub":null,"exp":1800000000}"#, "claim sub must be who the visitor is"),
        (r#"{"sub":1.5,"exp":1800000000}"#, "claim sub must be who the visitor is"),
        (r#"{"sub":99999999999999999999999,"exp":1800000000}"#, "claim sub must be who the visitor is"),
        (r#"{"sub":["u1"],"exp":1800000000}"#, "claim sub must be who the visitor is"),
        (r#"{"sub":" ","exp":1800000000}"#, "claim sub must not be blank"),
        (r#"{"sub":"u1","sub":"u2","exp":1800000000}"#, "each claim once"),
        (r#"{"sub":"u1","exp":1e999}"#, "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("", "must be a JSON object"),
    ] {
        let said = check(HEADER, payload).unwrap_err().to_string();
        assert!(said.contains(named), "{payload}: {said}");
    }
    let long = format!(r#"{{"sub":"{}","exp":1800000000}}"#, "👋".repeat(101));
    assert_eq!(check(HEADER, &long), Err(JwtError::Claim("sub", TextError::TooManyBytes(400))));
    let now = Timestamp::from_ms(NOW_S * 1000);
    let token = sign(HEADER, &payload(""), SECRET);
    for text in ["", ".", "..", "a.b", &format!("{token}."), &format!(".{token}"), &format!("{token}A")] {
        assert!(verify(text, SECRET, now).is_err(), "{text}");
    }
    assert_eq!(verify(&"x".repeat(BYTES_MAX + 1), SECRET, now), Err(JwtError::TooLong));
}
