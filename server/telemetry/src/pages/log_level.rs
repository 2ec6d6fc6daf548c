//! `/log-level`: GET returns the level, PUT changes it and needs the admin token.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq as _;

use crate::LogLevel;
use inrush_runtime::secret::Secret;

/// The longest level, in bytes: room for a hundred modules.
const MAX_LEVEL_LENGTH: usize = 4096;

const SCHEME: &str = "Bearer ";

/// `/log-level`.
pub(super) fn page(level: LogLevel, token: Option<Secret>) -> Router {
    let page = Page { level, token };
    Router::new().route("/log-level", get(show).put(change).with_state(page))
}

#[derive(Clone)]
struct Page {
    level: LogLevel,
    token: Option<Secret>,
}

/// Why a level was not changed.
enum ChangeError {
    Disabled,
    Unauthorized,
    TooLong,
    Invalid(String),
}

async fn show(State(page): State<Page>) -> String {
    line(&page.level.current())
}

async fn change(State(page): State<Page>, headers: HeaderMap, body: Body) -> Result<String, ChangeError> {
    page.authorize(&headers)?;
    let body = to_bytes(body, MAX_LEVEL_LENGTH).await.map_err(|_| ChangeError::TooLong)?;
    let level = str::from_utf8(&body)
        .map_err(|_| ChangeError::Invalid("a level is text in UTF-8".to_owned()))?
        .trim();
    if level.is_empty() {
        return Err(ChangeError::Invalid(
            "send the level as the body: `info`, or `info,inrush_front=debug`".to_owned(),
        ));
    }
    let before = page.level.current();
    page.level.set(level).map_err(|error| ChangeError::Invalid(error.to_string()))?;
    let now = page.level.current();
    tracing::warn!(before, now, "log level changed");
    Ok(line(&now))
}

impl Page {
    fn authorize(&self, headers: &HeaderMap) -> Result<(), ChangeError> {
        let token = self.token.as_ref().ok_or(ChangeError::Disabled)?;
        let provided = headers.get(AUTHORIZATION).and_then(|value| bearer_token(value.as_bytes()));
        // In constant time.
        let is_valid = provided.is_some_and(|provided| provided.ct_eq(token.expose().as_bytes()).into());
        if is_valid { Ok(()) } else { Err(ChangeError::Unauthorized) }
    }
}

/// The token after the scheme, which is case-insensitive.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes()).then_some(token)
}

impl IntoResponse for ChangeError {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::Disabled => {
                let remedy = "no admin token is set, so the log level cannot be changed: \
                              set INRUSH_ADMIN_TOKEN or admin.token_file";
                (StatusCode::FORBIDDEN, line(remedy)).into_response()
            }
            Self::Unauthorized => {
                let remedy = "send the admin token: `Authorization: Bearer TOKEN`";
                (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], line(remedy)).into_response()
            }
            Self::TooLong => {
                let rule = format!("a level has at most {MAX_LEVEL_LENGTH} bytes");
                (StatusCode::PAYLOAD_TOO_LARGE, line(&rule)).into_response()
            }
            Self::Invalid(reason) => (StatusCode::BAD_REQUEST, line(&reason)).into_response(),
        }
    }
}

fn line(text: &str) -> String {
    format!("{text}\n")
}
