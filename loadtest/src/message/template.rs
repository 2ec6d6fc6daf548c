//! Text with `{{…}}`, in the language of Go's `text/template`.
//! <https://pkg.go.dev/text/template>

use gtmpl_ng::{ExecError, ParseError, StructuredError};
use inrush_simulation::nearest;

use super::{
    functions,
    variables::{CallData, VARIABLES},
};

/// The beginning of a template action.
const OPENING: &str = "{{";

/// A parsed template.
pub(super) struct Template {
    template: gtmpl_ng::Template,
    /// The variables that occur in its text. Only these are computed.
    variables: Vec<&'static str>,
}

impl Template {
    /// Whether a text has template actions.
    pub(super) fn is_in(text: &str) -> bool {
        text.contains(OPENING)
    }

    /// Parses a text.
    ///
    /// # Errors
    /// The error with line and column.
    pub(super) fn parse(text: &str, with_functions: bool) -> Result<Self, String> {
        let mut template = gtmpl_ng::Template::default();
        // There may be thousands of templates, so each gets only the functions that occur in its text.
        for (name, function) in functions::all().filter(|(name, _)| with_functions && text.contains(name)) {
            template.add_func(name, function);
        }
        template.parse(text).map_err(|error| parse_error(&error, text, with_functions))?;
        let variables = VARIABLES.into_iter().filter(|name| text.contains(name)).collect();
        Ok(Self { template, variables })
    }

    /// The text for a call.
    ///
    /// # Errors
    /// The error with line and column.
    pub(super) fn render(&self, call: &CallData<'_>) -> Result<String, String> {
        let context = call.context(&self.variables);
        self.template.render(&context).map_err(|error| render_error(&error))
    }
}

fn parse_error(error: &ParseError, text: &str, with_functions: bool) -> String {
    let (position, message) = match error {
        ParseError::WithContext(context, message) => {
            (format!("line {} column {}: ", context.line, context.col), message.clone())
        }
        other => (String::new(), other.to_string()),
    };
    let undefined = message.strip_prefix("function ").and_then(|rest| rest.strip_suffix(" not defined"));
    let hint = match undefined {
        Some(_) if !with_functions => " (--disable-template-functions is set)".to_owned(),
        Some(name) => nearest::hint(name, functions::names()),
        None if text.contains("\\\"") => " (within {{…}} write `text` instead of \\\"text\\\")".to_owned(),
        None => String::new(),
    };
    format!("{position}{message}{hint}")
}

fn render_error(error: &ExecError) -> String {
    let Some(StructuredError { context, message, .. }) = error.as_structured() else {
        return error.to_string();
    };
    let position = format!("line {} column {}", context.line, context.col);
    // The engine lists all values of the call here; the name of the variable suffices.
    let unknown = message.strip_prefix("no field `").and_then(|rest| rest.split('`').next());
    match unknown {
        Some(name) => {
            let hint = nearest::hint(name, VARIABLES);
            format!("{position}: unknown variable .{name}{hint}")
        }
        None => format!("{position}: {message}"),
    }
}
