//! The secret that a coordinator shows to its agents.

use std::{env, fmt, fs, path::Path};

use subtle::ConstantTimeEq as _;
use tonic::{Request, Status, metadata::MetadataValue, service::Interceptor};

use crate::problem::Problem;

/// The environment variable that holds the token where no file is named.
const VARIABLE: &str = "INRUSH_LOADTEST_TOKEN";

/// The longest token, in bytes: a wrong path shall not be read whole.
const LONGEST: u64 = 4096;

const HEADER: &str = "authorization";

/// A token, which never shows in logs.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token in a file, or without one that in `INRUSH_LOADTEST_TOKEN`; none if there is neither.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no token.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, Problem> {
        match file {
            Some(path) => Self::read(path).map(Some),
            None => env::var(VARIABLE).ok().map(|text| Self::of(&text, VARIABLE)).transpose(),
        }
    }

    fn read(path: &Path) -> Result<Self, Problem> {
        let remedy = "name a readable file that holds nothing but the token";
        let wrong = |why: &dyn fmt::Display| {
            Problem::new(format!("the token file {}: {why}", path.display()), remedy)
        };
        let length = fs::metadata(path).map_err(|error| wrong(&error))?.len();
        if length > LONGEST {
            return Err(wrong(&format!("{length} bytes are too long for a token")));
        }
        let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        Self::of(&text, &path.display().to_string())
    }

    fn of(text: &str, place: &str) -> Result<Self, Problem> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned())).ok_or_else(|| {
            Problem::new(
                format!("{place} holds no token"),
                "a token is one word of printable ASCII characters",
            )
        })
    }

    fn matches(&self, shown: &[u8]) -> bool {
        let expected = format!("Bearer {}", self.0);
        expected.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

/// Shows a token with every call.
#[derive(Debug, Clone)]
pub(super) struct Show(pub(super) Option<Token>);

impl Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(Token(token)) = &self.0 {
            let mut value = MetadataValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Status::unauthenticated("the token fits no header"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert(HEADER, value);
        }
        Ok(request)
    }
}

/// Lets calls in that show the token.
#[derive(Debug, Clone)]
pub(super) struct Ask(pub(super) Option<Token>);

impl Interceptor for Ask {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(token) = &self.0 else { return Ok(request) };
        let shown = request.metadata().get(HEADER).map_or(&b""[..], |value| value.as_bytes());
        if token.matches(shown) {
            Ok(request)
        } else {
            Err(Status::unauthenticated("this agent wants its token: give it with --agents-token-file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_let_in() {
        let token = Token::of(" secret\n", "a test").unwrap();
        let shown = |token: Option<Token>| Show(token).call(Request::new(())).unwrap();
        let ask = |request| Ask(Some(token.clone())).call(request).is_ok();
        assert!(ask(shown(Some(token.clone()))));
        assert!(!ask(shown(Some(Token::of("secre", "a test").unwrap()))));
        assert!(!ask(shown(None)));
        assert!(!format!("{token:?}").contains("secret"));
    }

    #[test]
    fn an_empty_token_is_none() {
        assert!(Token::of(" \n", "the file").unwrap_err().wrong().contains("the file"));
        assert!(Token::of("two words", "the file").is_err());
    }
}
