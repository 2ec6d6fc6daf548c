//! The shared secret of a coordinator and its agents.

use std::{env, fmt, fs, path::Path};

use inrush_transport::Error;
use subtle::ConstantTimeEq as _;
use tonic::{Request, Status, metadata::MetadataValue, service::Interceptor};

/// The environment variable with the token, used if no file is given.
const VARIABLE: &str = "INRUSH_LOADTEST_TOKEN";

/// Maximum length of a token file in bytes.
const MAX_LENGTH: u64 = 4096;

const HEADER: &str = "authorization";

/// A token. Its debug format hides it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token in a file, or in `INRUSH_LOADTEST_TOKEN` if no file is given. `None` if there is neither.
    ///
    /// # Errors
    /// If the file cannot be read, or the text is not a token.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, Error> {
        match file {
            Some(path) => Self::read(path).map(Some),
            None => env::var(VARIABLE).ok().map(|text| Self::parse(&text, VARIABLE)).transpose(),
        }
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: &dyn fmt::Display| {
            Error::new(
                format!("cannot read the token file {}: {error}", path.display()),
                "name a readable file that contains only the token",
            )
        };
        let length = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
        if length > MAX_LENGTH {
            return Err(unreadable(&format!("{length} bytes exceed the maximum of {MAX_LENGTH}")));
        }
        let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, source: &str) -> Result<Self, Error> {
        let text = text.trim();
        let is_valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(text.to_owned())).ok_or_else(|| {
            Error::new(
                format!("{source} contains no token"),
                "a token is one word of printable ASCII characters",
            )
        })
    }

    fn matches(&self, header: &[u8]) -> bool {
        let expected = format!("Bearer {}", self.0);
        expected.as_bytes().ct_eq(header).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(hidden)")
    }
}

/// Adds the token to every call.
#[derive(Debug, Clone)]
pub(super) struct SendToken(pub(super) Option<Token>);

impl Interceptor for SendToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(Token(token)) = &self.0 {
            let mut value = MetadataValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Status::unauthenticated("the token is not a valid header value"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert(HEADER, value);
        }
        Ok(request)
    }
}

/// Rejects calls without the token.
#[derive(Debug, Clone)]
pub(super) struct RequireToken(pub(super) Option<Token>);

impl Interceptor for RequireToken {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(token) = &self.0 else { return Ok(request) };
        let header = request.metadata().get(HEADER).map_or(&b""[..], |value| value.as_bytes());
        if token.matches(header) {
            Ok(request)
        } else {
            Err(Status::unauthenticated("this agent requires its token: set it with --agents-token-file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_with_the_token_are_accepted() {
        let token = Token::parse(" secret\n", "a test").unwrap();
        let request = |token: Option<Token>| SendToken(token).call(Request::new(())).unwrap();
        let is_accepted = |request| RequireToken(Some(token.clone())).call(request).is_ok();
        assert!(is_accepted(request(Some(token.clone()))));
        assert!(!is_accepted(request(Some(Token::parse("secre", "a test").unwrap()))));
        assert!(!is_accepted(request(None)));
        assert!(!format!("{token:?}").contains("secret"));
    }

    #[test]
    fn an_empty_text_is_not_a_token() {
        assert!(Token::parse(" \n", "the file").unwrap_err().wrong().contains("the file"));
        assert!(Token::parse("two words", "the file").is_err());
    }
}
