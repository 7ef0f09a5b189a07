//! The variables of a canned text: `{{visitor.name}}`, or `{{visitor.name|there}}` with words for when there is no
//! value. A backslash before the braces makes them plain braces: `\{{`; to have a backslash before a variable, write two.

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The visitor's name.
    VisitorName,
    /// The visitor's e-mail.
    VisitorEmail,
    /// The name of the agent who asks.
    AgentName,
    /// The e-mail of the agent who asks.
    AgentEmail,
    /// The name of the conversation's team.
    TeamName,
    /// What the conversation is about.
    ConversationSubject,
}

impl Variable {
    const ALL: [Self; 6] = [
        Self::VisitorName,
        Self::VisitorEmail,
        Self::AgentName,
        Self::AgentEmail,
        Self::TeamName,
        Self::ConversationSubject,
    ];

    /// As it stands between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::VisitorName => "visitor.name",
            Self::VisitorEmail => "visitor.email",
            Self::AgentName => "agent.name",
            Self::AgentEmail => "agent.email",
            Self::TeamName => "team.name",
            Self::ConversationSubject => "conversation.subject",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == name)
    }
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It names a variable that there is not.
    #[error(
        "must name no variables but visitor.name, visitor.email, agent.name, agent.email, team.name and \
         conversation.subject; write \\{{{{ for plain braces"
    )]
    Unknown,
    /// A variable that does not end.
    #[error("must close each {{{{ by }}}}; write \\{{{{ for plain braces")]
    Open,
    /// The words for a missing value hold braces.
    #[error("must have plain words without braces after a variable's |")]
    Nested,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Words(&'a str),
    Variable(Variable, &'a str),
}

/// A text with variables, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<'a>(Vec<Piece<'a>>);

impl<'a> Template<'a> {
    /// Takes `text` apart.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] says what to write instead: the caller tells the author, before the text is kept.
    pub fn parse(text: &'a str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let backslashes = rest[..at].len() - rest[..at].trim_end_matches('\\').len();
            let plain = at - backslashes;
            pieces.push(Piece::Words(&rest[..plain + backslashes / 2]));
            let behind = &rest[at + 2..];
            if backslashes % 2 == 1 {
                pieces.push(Piece::Words("{{"));
                rest = behind;
                continue;
            }
            let (inside, after) = behind.split_once("}}").ok_or(TemplateError::Open)?;
            let (name, fallback) = inside.split_once('|').unwrap_or((inside, ""));
            let variable = Variable::of(name.trim()).ok_or(TemplateError::Unknown)?;
            if fallback.contains(['{', '}']) {
                return Err(TemplateError::Nested);
            }
            pieces.push(Piece::Variable(variable, fallback.trim()));
            rest = after;
        }
        pieces.push(Piece::Words(rest));
        Ok(Self(pieces))
    }

    /// The text with its variables filled: a value that is missing is the variable's own words for that, or nothing.
    pub fn fill(&self, value: impl Fn(Variable) -> Option<String>) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => filled.push_str(words),
                Piece::Variable(variable, fallback) => match value(*variable) {
                    Some(value) => filled.push_str(&value),
                    None => filled.push_str(fallback),
                },
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, TemplateError> {
        let value = |variable| (variable == Variable::VisitorName).then(|| "Ann {{x}}".to_owned());
        Ok(Template::parse(text)?.fill(value))
    }

    #[test]
    fn variables_are_filled_and_a_missing_value_has_words_of_its_own() {
        for (text, filled) in [
            ("Hi {{visitor.name}}!", "Hi Ann {{x}}!"),
            ("Hi {{  visitor.name\t}}!", "Hi Ann {{x}}!"),
            ("{{visitor.name|there}}", "Ann {{x}}"),
            ("Hi {{visitor.email}}!", "Hi !"),
            ("Hi {{visitor.email|there}}!", "Hi there!"),
            ("Hi {{ visitor.email | dear  customer }}!", "Hi dear  customer!"),
            ("{{team.name|}}{{conversation.subject|a|b}}", "a|b"),
            ("plain } }} { \\ text", "plain } }} { \\ text"),
            (r"\{{visitor.name}}", "{{visitor.name}}"),
            (r"\{{no.such}} \{{", "{{no.such}} {{"),
            (r"C:\\{{visitor.name}}", r"C:\Ann {{x}}"),
            (r"\\\{{x}}", r"\{{x}}"),
            (r"a\b \{ x", r"a\b \{ x"),
            ("", ""),
        ] {
            assert_eq!(fill(text).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn what_would_stay_raw_is_refused() {
        for (text, wrong) in [
            ("{{visitor.nmae}}", TemplateError::Unknown),
            ("{{}}", TemplateError::Unknown),
            ("{{|there}}", TemplateError::Unknown),
            ("{{Visitor.Name}}", TemplateError::Unknown),
            ("{{visitor}}", TemplateError::Unknown),
            ("{{{visitor.name}}}", TemplateError::Unknown),
            ("Hi {{visitor.name", TemplateError::Open),
            ("Hi {{visitor.name}", TemplateError::Open),
            ("{{visitor.name}} {{", TemplateError::Open),
            ("{{visitor.name|{{agent.name}}}}", TemplateError::Nested),
        ] {
            assert_eq!(fill(text), Err(wrong), "{text}");
        }
        assert!(TemplateError::Unknown.to_string().ends_with(r"write \{{ for plain braces"));
        for variable in Variable::ALL {
            assert!(TemplateError::Unknown.to_string().contains(variable.name()));
        }
    }
}
