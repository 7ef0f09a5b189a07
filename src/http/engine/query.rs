//! Query parameters, strict: each is asked for by name, and what nobody asked for is refused.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::errors::ApiError;

/// The page size of lists when the client names none.
pub(crate) const PAGE_DEFAULT: u64 = 50;

/// The parameters that are not taken yet. Call [`Query::finish`] last.
#[derive(Debug)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Takes a query string apart; a repeated parameter is refused.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` of the parameter.
    pub fn parse(query: &'a str) -> Result<Self, ApiError> {
        let mut given: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ApiError::invalid_field(name, "is given twice"));
            }
            // A repeated one is found by looking through, so there must not be many.
            if given.len() == 32 {
                return Err(ApiError::invalid_field(name, "is one parameter too many"));
            }
            given.push((name, value));
        }
        Ok(Self(given))
    }

    /// As it was sent.
    pub fn text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let index = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Whatever can be made of a text, an id for example; `rule` says what it must be.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` with the `rule`.
    pub fn parsed<T: FromStr>(&mut self, name: &str, rule: &'static str) -> Result<Option<T>, ApiError> {
        self.text(name).map(|text| text.parse().map_err(|_| ApiError::invalid_field(name, rule))).transpose()
    }

    /// A whole number within bounds, in plain digits.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` of anything else.
    pub fn integer(&mut self, name: &str, bounds: RangeInclusive<u64>) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        match number {
            Some(number) if bounds.contains(&number) => Ok(Some(number)),
            Some(_) | None => {
                let rule = format!("must be a whole number from {} to {}", bounds.start(), bounds.end());
                Err(ApiError::invalid_field(name, rule))
            }
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` of anything else.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, "must be true or false")
    }

    /// `limit`: 1 to `page_max`, 50 (or `page_max`, if that is less) when it is not given.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` of anything else.
    pub fn limit(&mut self, page_max: u64) -> Result<usize, ApiError> {
        let limit = self.integer("limit", 1..=page_max)?.unwrap_or(PAGE_DEFAULT.min(page_max));
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Refuses what nobody asked for.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` of a parameter that no call took.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::invalid_field(name, "is not known")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(error: ApiError) -> String {
        error.details()[0].field.clone()
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let mut query = Query::parse("a=1&b=%20x+y").unwrap();
        assert_eq!(query.text("b").as_deref(), Some(" x y"));
        assert_eq!(field(query.finish().unwrap_err()), "a");
        assert_eq!(field(Query::parse("a=1&%61=2").unwrap_err()), "a");
        assert!(Query::parse("").unwrap().finish().is_ok());
        assert!(Query::parse(&(0..33).map(|n| format!("p{n}&")).collect::<String>()).is_err());
    }

    #[test]
    fn integers_are_digits_within_their_bounds() {
        for (text, read) in [
            ("n=0", Some(0)),
            ("n=25", Some(25)),
            ("n=26", None),
            ("n=-1", None),
            ("n=+1", None),
            ("n=", None),
            ("n", None),
            ("n=1.0", None),
            ("n=99999999999999999999", None),
        ] {
            assert_eq!(Query::parse(text).unwrap().integer("n", 0..=25).ok().flatten(), read, "{text}");
        }
        assert_eq!(Query::parse("").unwrap().limit(200).unwrap(), 50);
        assert_eq!(Query::parse("").unwrap().limit(20).unwrap(), 20);
        assert!(Query::parse("limit=0").unwrap().limit(200).is_err());
        assert!(Query::parse("limit=201").unwrap().limit(200).is_err());
    }
}
