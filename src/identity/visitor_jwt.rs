//! The one JWT that is taken: a site's owner signs who his visitor is. Verified by hand, because so little of the
//! standard is wanted: HS256 and nothing else, one key, no key that the token itself names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Email, Name, TextError, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// A longer token is refused before anything of it is read.
const BYTES_MAX: usize = 8 * 1024;
/// In bytes of UTF-8: the store finds a visitor by it.
const SUBJECT_BYTES_MAX: usize = 400;
/// How far the clocks of the site's owner and of this server may be apart.
const LEEWAY_S: f64 = 60.0;

/// Who a visitor is, as his site's owner signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: Name,
    pub(super) name: Option<Name>,
    pub(super) email: Option<Email>,
}

/// Why an identity token was refused. The text is for the one who integrates the widget; it says nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// The site has no `identity_secret`, so nobody can prove anything to it.
    #[error("the site has no identity secret")]
    NoSecret,
    /// It is too long.
    #[error("the identity token is longer than 8 KiB")]
    TooLong,
    /// It is not three parts of base64url, or they are not the JSON that they should be.
    #[error("the identity token is no JWT")]
    Form,
    /// Its `alg` is another.
    #[error("the identity token is not signed with HS256")]
    Algorithm,
    /// It has extensions that must be understood.
    #[error("the identity token has critical extensions")]
    Critical,
    /// It was not signed with the site's secret.
    #[error("the identity token's signature is wrong")]
    Signature,
    /// A claim is missing or wrong.
    #[error("the identity token's claim {0} {1}")]
    Claim(&'static str, TextError),
    /// Its `exp` is past.
    #[error("the identity token has expired")]
    Expired,
    /// Its `nbf` is to come.
    #[error("the identity token is not valid yet")]
    NotYet,
}

/// What of the header matters. `typ`, `kid`, `jku`, `jwk`, `x5u` and the like are not even looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Payload {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    name: Option<String>,
    email: Option<String>,
}

/// Checks form, algorithm, signature, times and claims, in this order.
pub(super) fn verify(token: &str, secret: &[u8], now: Timestamp) -> Result<Claims, JwtError> {
    if token.len() > BYTES_MAX {
        return Err(JwtError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Form)?;
    let (header, payload) = signed.split_once('.').ok_or(JwtError::Form)?;
    let header: Header = decode(header)?;
    if header.alg != "HS256" {
        return Err(JwtError::Algorithm);
    }
    if header.crit.is_some() {
        return Err(JwtError::Critical);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Form)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).map_err(|_| JwtError::Signature)?;
    read_claims(decode(payload)?, now)
}

fn read_claims(payload: Payload, now: Timestamp) -> Result<Claims, JwtError> {
    let now_s = now.as_ms() as f64 / 1000.0;
    if now_s >= payload.exp + LEEWAY_S {
        return Err(JwtError::Expired);
    }
    if payload.nbf.is_some_and(|nbf| now_s + LEEWAY_S < nbf) {
        return Err(JwtError::NotYet);
    }
    if payload.sub.len() > SUBJECT_BYTES_MAX {
        return Err(JwtError::Claim("sub", TextError::TooManyBytes(SUBJECT_BYTES_MAX)));
    }
    let name = payload.name.map(|name| Name::parse(&name)).transpose();
    let email = payload.email.map(|email| Email::parse(&email)).transpose();
    Ok(Claims {
        subject: Name::parse(&payload.sub).map_err(|error| JwtError::Claim("sub", error))?,
        name: name.map_err(|error| JwtError::Claim("name", error))?,
        email: email.map_err(|error| JwtError::Claim("email", error))?,
    })
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Form)?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Form)
}

/// For tests of what builds on this: a token as a site's owner would make it.
#[cfg(test)]
pub(super) fn sign(header: &str, payload: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
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
            check(HEADER, &payload(r#","name":"Ann","email":"Ann@Example.org","iat":1,"role":"x""#)).unwrap();
        assert_eq!(claims.subject.as_str(), "u1");
        assert_eq!(claims.name.unwrap().as_str(), "Ann");
        assert_eq!(claims.email.unwrap().as_str(), "ann@example.org");
    }

    #[test]
    fn only_hs256_counts_whatever_else_the_header_says() {
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":""}"#,
        ] {
            assert_eq!(check(header, &payload("")), Err(JwtError::Algorithm), "{header}");
        }
        for header in
            [r#"{"typ":"JWT"}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":"HS256","alg":"none"}"#, "HS256", ""]
        {
            assert_eq!(check(header, &payload("")), Err(JwtError::Form), "{header}");
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
        assert_eq!(at(format!(r#""exp":{}"#, NOW_S - 60)), Err(JwtError::Expired));
        assert_eq!(at(r#""exp":-1e300"#.into()), Err(JwtError::Expired));
        assert!(at(format!(r#""exp":{}.5,"nbf":{}"#, NOW_S + 9, NOW_S + 60)).is_ok());
        assert_eq!(at(format!(r#""exp":{},"nbf":{}"#, NOW_S + 90, NOW_S + 61)), Err(JwtError::NotYet));
    }

    #[test]
    fn what_is_missing_or_malformed_is_refused() {
        for payload in [
            r#"{"sub":"u1"}"#,
            r#"{"exp":1800000000}"#,
            r#"{"sub":1,"exp":1800000000}"#,
            r#"{"sub":"u1","exp":"1800000000"}"#,
            r#"{"sub":"u1","sub":"u2","exp":1800000000}"#,
            r#"{"sub":"u1","exp":1e999}"#,
            "null",
            "",
        ] {
            assert_eq!(check(HEADER, payload), Err(JwtError::Form), "{payload}");
        }
        assert_eq!(
            check(HEADER, r#"{"sub":" ","exp":1800000000}"#),
            Err(JwtError::Claim("sub", TextError::Blank))
        );
        let long = format!(r#"{{"sub":"{}","exp":1800000000}}"#, "👋".repeat(101));
        assert_eq!(check(HEADER, &long), Err(JwtError::Claim("sub", TextError::TooManyBytes(400))));
        assert!(matches!(check(HEADER, &payload(r#","email":"x""#)), Err(JwtError::Claim("email", _))));
        let now = Timestamp::from_ms(NOW_S * 1000);
        let token = sign(HEADER, &payload(""), SECRET);
        for text in ["", ".", "..", "a.b", &format!("{token}."), &format!(".{token}"), &format!("{token}=")] {
            assert!(verify(text, SECRET, now).is_err(), "{text}");
        }
        assert_eq!(verify(&"x".repeat(BYTES_MAX + 1), SECRET, now), Err(JwtError::TooLong));
    }
}
