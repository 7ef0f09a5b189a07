//! Flags as the body of the admin API's request, so that both hold the same rules by the same code; and what the API
//! would answer to it, in the words of flags.

use serde_json::{Map, Value};

use super::error::CliError;
use crate::errors::{ApiError, ErrorCode};

/// The fields that were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Given(Map<String, Value>);

impl Given {
    /// With this field.
    pub(super) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    /// With this field, if it was given.
    pub(super) fn with_some(self, field: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    /// With this list, unless it is empty.
    pub(super) fn with_list(self, field: &str, values: Vec<String>) -> Self {
        self.with_some(field, (!values.is_empty()).then_some(values))
    }

    /// As the API gets it.
    pub(super) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("it is a map of strings, numbers and lists")
    }
}

/// A whole number as it is typed behind a flag; its range is the API's to hold.
pub(super) fn whole_number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("must be a whole number, 0 to {}", u32::MAX))
}

/// The API's refusal, for the person who typed the flags.
pub(super) fn refused(error: &ApiError) -> CliError {
    if error.code() == ErrorCode::StorageFull {
        return CliError::Refused("the disk is full, and nothing was done: make room on it".into());
    }
    if error.code() != ErrorCode::ValidationFailed {
        return CliError::Refused(error.explained());
    }
    let rules: Vec<String> =
        error.details().iter().map(|detail| format!("{} {}", flag_of(&detail.field), detail.rule)).collect();
    CliError::Usage(rules.join("; "))
}

fn flag_of(field: &str) -> String {
    match field.split('[').next().unwrap_or_default() {
        "team_ids" | "team_id" => "--team".to_owned(),
        "agent_ids" => "--agent".to_owned(),
        "skills" => "--skill".to_owned(),
        "languages" => "--language".to_owned(),
        "origins" => "--origin".to_owned(),
        "password" => "the password".to_owned(),
        other => format!("--{}", other.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_the_api_is_told_of_the_flag() {
        for (field, flag) in [
            ("email", "--email"),
            ("accept_timeout_s", "--accept-timeout-s"),
            ("team_ids[3]", "--team"),
            ("origins[0]", "--origin"),
            ("password", "the password"),
        ] {
            let error = refused(&ApiError::invalid_field(field, "must be right"));
            assert_eq!((error.exit_code(), error.to_string()), (2, format!("{flag} must be right")));
        }
        let taken = refused(&ApiError::new(ErrorCode::Conflict, "somebody has it"));
        assert_eq!((taken.exit_code(), taken.to_string().as_str()), (1, "somebody has it"));
        let full = refused(&ApiError::from(store::StoreError::StorageFull));
        assert!(full.exit_code() == 1 && full.to_string().ends_with("make room on it"), "{full}");
    }
}
