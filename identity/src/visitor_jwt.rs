//! The one JWT that is taken: a site's owner signs who the visitor is. Verified by hand, because so little of the standard
//! is wanted: the three HMAC algorithms, one key, and no key that the token itself names.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::{Email, Name, TextError, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Sha256, Sha384, Sha512};

/// A longer token is refused before anything of it is read.
const BYTES_MAX: usize = 8 * 1024;
/// In bytes of UTF-8: the store finds a visitor by the subject.
const SUBJECT_BYTES_MAX: usize = 400;
/// How far the clocks of the site's owner and of this server may be apart.
const LEEWAY_S: f64 = 60.0;
/// A token that says when it was made (`iat`) proves nothing later than this after that, however far away its `exp` is: one
/// that leaked is not good for ever. What a proof gives, the visitor's own token, lasts for a day in any case.
const AGE_MAX_S: f64 = 30.0 * 24.0 * 60.0 * 60.0;

/// base64url; padding, which the standard forbids and some libraries write, is left aside, and [`decode`] takes what is
/// plain base64.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who a visitor is, as the site's owner signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: Name,
    pub(super) name: Option<Name>,
    pub(super) email: Option<Email>,
}

/// Why an identity token was refused. The text is for the person who integrates the widget; it says nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// The site has no `identity_secret`, so nobody can prove anything to it.
    #[error("the site has no identity secret")]
    NoSecret,
    /// It is too long.
    #[error("the identity token is longer than 8 KiB")]
    TooLong,
    /// It is not three parts of base64url, or they are not the JSON that they should be.
    #[error("the identity token is no JWT: {0}")]
    Form(&'static str),
    /// Its `alg` is another.
    #[error("the identity token must be signed with HS256, HS384 or HS512")]
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
    #[error("the identity token expired {ago_s} seconds ago, as its claim exp says (in seconds since 1970)")]
    Expired {
        /// Whole seconds since then.
        ago_s: u64,
    },
    /// Its `iat` is further back than any token is good.
    #[error("the identity token expired {ago_s} seconds ago: it is good for 30 days after its claim iat")]
    Old {
        /// Whole seconds since then.
        ago_s: u64,
    },
    /// Its `nbf` is to come.
    #[error("the identity token is not valid for another {in_s} seconds, as its claim nbf says")]
    NotYet {
        /// Whole seconds until then.
        in_s: u64,
    },
}

/// What of the header matters. `typ`, `kid`, `jku`, `jwk`, `x5u` and the like are not even looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde::de::IgnoredAny>,
}

/// The claims that decide, of whatever type. One that stands there twice is refused.
#[derive(Deserialize)]
struct Payload {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
}

/// A claim that need not be there, and is read on its own: what is no text by its escapes (half of a surrogate pair) is as
/// if it were not there.
#[derive(Deserialize)]
struct NameClaim {
    name: Value,
}

/// The same.
#[derive(Deserialize)]
struct EmailClaim {
    email: Value,
}

/// Checks form, algorithm, signature, times and claims, in this order.
///
/// # Errors
/// The first of them that is wrong.
pub(super) fn verify(token: &str, secret: &[u8], now: Timestamp) -> Result<Claims, JwtError> {
    // A line's end comes along when a token is read from a file or a command.
    let token = token.trim_ascii();
    if token.len() > BYTES_MAX {
        return Err(JwtError::TooLong);
    }
    const PARTS: JwtError = JwtError::Form("it must be three parts with dots between them");
    let (signed, signature) = token.rsplit_once('.').ok_or(PARTS)?;
    let (header, payload) = signed.split_once('.').ok_or(PARTS)?;
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| JwtError::Form("its header must be JSON with an alg"))?;
    let has_signed = match header.alg.as_str() {
        "HS256" => has_signed::<Hmac<Sha256>>,
        "HS384" => has_signed::<Hmac<Sha384>>,
        "HS512" => has_signed::<Hmac<Sha512>>,
        _ => return Err(JwtError::Algorithm),
    };
    if header.crit.is_some() {
        return Err(JwtError::Critical);
    }
    if !has_signed(secret, signed, &decode(signature)?) {
        return Err(JwtError::Signature);
    }
    read_claims(&decode(payload)?, now)
}

/// In constant time.
fn has_signed<M: Mac + KeyInit>(secret: &[u8], signed: &str, signature: &[u8]) -> bool {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    mac.verify_slice(signature).is_ok()
}

fn read_claims(json: &[u8], now: Timestamp) -> Result<Claims, JwtError> {
    let payload: Payload = serde_json::from_slice(json)
        .map_err(|_| JwtError::Form("its payload must be a JSON object with each claim once"))?;
    let now_s = now.as_ms() as f64 / 1000.0;
    let exp = time("exp", payload.exp)?;
    let exp = exp.ok_or(JwtError::Claim(
        "exp",
        TextError::Form("there: when the token ends, in seconds since 1970"),
    ))?;
    if now_s >= exp + LEEWAY_S {
        return Err(JwtError::Expired { ago_s: whole_s(now_s - exp) });
    }
    if let Some(nbf) = time("nbf", payload.nbf)?
        && now_s + LEEWAY_S < nbf
    {
        return Err(JwtError::NotYet { in_s: whole_s(nbf - now_s) });
    }
    // What is no time says nothing of the token's age.
    if let Some(iat) = payload.iat.as_ref().and_then(Value::as_f64)
        && now_s >= iat + AGE_MAX_S + LEEWAY_S
    {
        return Err(JwtError::Old { ago_s: whole_s(now_s - iat - AGE_MAX_S) });
    }
    // Of what need not be there, what is empty or of another form is as if it were not.
    let name = serde_json::from_slice(json).ok().map(|NameClaim { name }| name);
    let email = serde_json::from_slice(json).ok().map(|EmailClaim { email }| email);
    let text =
        |claim: Option<Value>| claim.as_ref().and_then(Value::as_str).map(|text| text.trim().to_owned());
    Ok(Claims {
        subject: subject(payload.sub)?,
        name: text(name).and_then(|name| Name::parse(&name).ok()),
        email: text(email).and_then(|email| Email::parse(&email).ok()),
    })
}

/// A text, or a whole number, which is taken as its digits: many sites' users are numbered.
fn subject(given: Option<Value>) -> Result<Name, JwtError> {
    const RULE: TextError =
        TextError::Form("who the visitor is, as a text or a whole number of at most 19 digits");
    let text = match given {
        Some(Value::String(text)) => text,
        // A longer one would be read as another number.
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => number.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => {
            return Err(JwtError::Claim("sub", RULE));
        }
    };
    if text.len() > SUBJECT_BYTES_MAX {
        return Err(JwtError::Claim("sub", TextError::TooManyBytes(SUBJECT_BYTES_MAX)));
    }
    Name::parse(&text).map_err(|error| JwtError::Claim("sub", error))
}

/// Seconds since 1970, not always whole ones.
fn time(claim: &'static str, given: Option<Value>) -> Result<Option<f64>, JwtError> {
    const RULE: TextError = TextError::Form("a number, not a text: a time in seconds since 1970");
    match given {
        None => Ok(None),
        Some(given) => given.as_f64().map(Some).ok_or(JwtError::Claim(claim, RULE)),
    }
}

fn whole_s(seconds: f64) -> u64 {
    // What is too large becomes the largest.
    seconds.max(0.0) as u64
}

/// The other two characters of plain base64 mean the same; what was signed are the parts as they stand there.
fn decode(part: &str) -> Result<Vec<u8>, JwtError> {
    let part = part.replace('+', "-").replace('/', "_");
    BASE64.decode(part).map_err(|_| JwtError::Form("its parts must be base64url"))
}

/// For tests of what builds on this: a token as a site's owner would make it.
#[cfg(test)]
pub(super) fn sign(header: &str, payload: &str, secret: &[u8]) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests;
