//! Text with `{{…}}` in it, as Go's `text/template` has it.
//! <https://pkg.go.dev/text/template>

use gtmpl_ng::{ExecError, ParseError, StructuredError};

use super::{
    functions,
    variables::{CallData, VARIABLES},
};
use crate::nearest;

/// What templates begin with.
const OPENING: &str = "{{";

/// A template, parsed once.
pub(super) struct Template {
    template: gtmpl_ng::Template,
    /// The variables that its text names: no others are made for it.
    variables: Vec<&'static str>,
}

impl Template {
    /// Whether a text has any.
    pub(super) fn is_in(text: &str) -> bool {
        text.contains(OPENING)
    }

    /// Parses a text.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub(super) fn parse(text: &str, with_functions: bool) -> Result<Self, String> {
        let mut template = gtmpl_ng::Template::default();
        // There may be thousands of templates: each has the functions that its text names, and no others.
        for (name, function) in functions::all().filter(|(name, _)| with_functions && text.contains(name)) {
            template.add_func(name, function);
        }
        template.parse(text).map_err(|error| unreadable(&error, text, with_functions))?;
        let variables = VARIABLES.into_iter().filter(|name| text.contains(name)).collect();
        Ok(Self { template, variables })
    }

    /// The text for a call.
    ///
    /// # Errors
    /// What went wrong, with line and column.
    pub(super) fn render(&self, call: &CallData<'_>) -> Result<String, String> {
        let context = call.context(&self.variables);
        self.template.render(&context).map_err(|error| failed(&error))
    }
}

fn unreadable(error: &ParseError, text: &str, with_functions: bool) -> String {
    let (place, message) = match error {
        ParseError::WithContext(context, message) => {
            (format!("line {} column {}: ", context.line, context.col), message.clone())
        }
        other => (String::new(), other.to_string()),
    };
    let undefined = message.strip_prefix("function ").and_then(|rest| rest.strip_suffix(" not defined"));
    let hint = match undefined {
        Some(_) if !with_functions => " (--disable-template-functions is given)".to_owned(),
        Some(name) => nearest::hint(name, functions::names()),
        None if text.contains("\\\"") => " (within {{…}} write `text` instead of \\\"text\\\")".to_owned(),
        None => String::new(),
    };
    format!("{place}{message}{hint}")
}

fn failed(error: &ExecError) -> String {
    let Some(StructuredError { context, message, .. }) = error.as_structured() else {
        return error.to_string();
    };
    let place = format!("line {} column {}", context.line, context.col);
    // The engine lists all values of the call here; their names are what helps.
    let unknown = message.strip_prefix("no field `").and_then(|rest| rest.split('`').next());
    match unknown {
        Some(name) => {
            let hint = nearest::hint(name, VARIABLES);
            format!("{place}: there is no variable .{name}{hint}")
        }
        None => format!("{place}: {message}"),
    }
}
