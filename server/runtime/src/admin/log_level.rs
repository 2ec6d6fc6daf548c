//! `/log-level`: GET tells what is logged, PUT changes it while the process runs, for whoever has the admin token.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;
use crate::telemetry::LogLevel;

/// The longest level, in bytes: room for a hundred modules.
const LONGEST_LEVEL: usize = 4096;

const SCHEME: &str = "Bearer ";

/// `/log-level`.
pub(super) fn page(level: LogLevel, token: Option<Secret>) -> Router {
    let page = Page { level, token };
    Router::new().route("/log-level", get(tell).put(change).with_state(page))
}

#[derive(Clone)]
struct Page {
    level: LogLevel,
    token: Option<Secret>,
}

/// Why a level was not changed.
enum Refused {
    NobodyMay,
    NotYou,
    TooLong,
    Wrong(String),
}

async fn tell(State(page): State<Page>) -> String {
    line(&page.level.current())
}

async fn change(State(page): State<Page>, headers: HeaderMap, body: Body) -> Result<String, Refused> {
    page.admit(&headers)?;
    let body = to_bytes(body, LONGEST_LEVEL).await.map_err(|_| Refused::TooLong)?;
    let level =
        str::from_utf8(&body).map_err(|_| Refused::Wrong("a level is text in UTF-8".to_owned()))?.trim();
    if level.is_empty() {
        return Err(Refused::Wrong(
            "send the level as the body: `info`, or `info,inrush_front=debug`".to_owned(),
        ));
    }
    let before = page.level.current();
    page.level.set(level).map_err(|error| Refused::Wrong(error.to_string()))?;
    let now = page.level.current();
    tracing::warn!(before, now, "the log level was changed");
    Ok(line(&now))
}

impl Page {
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let token = self.token.as_ref().ok_or(Refused::NobodyMay)?;
        let given = headers.get(AUTHORIZATION).and_then(|value| given_token(value.as_bytes()));
        // In the same time however much of it is right.
        let is_right = given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into());
        if is_right { Ok(()) } else { Err(Refused::NotYou) }
    }
}

/// What stands behind the scheme, which may be written in any case.
fn given_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME.as_bytes()).then_some(token)
}

impl IntoResponse for Refused {
    fn into_response(self) -> axum::response::Response {
        match self {
            Self::NobodyMay => {
                let remedy = "no admin token is set, so nobody can change the log level: \
                              set INRUSH_ADMIN_TOKEN or admin.token_file";
                (StatusCode::FORBIDDEN, line(remedy)).into_response()
            }
            Self::NotYou => {
                let remedy = "send the admin token: `Authorization: Bearer TOKEN`";
                (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], line(remedy)).into_response()
            }
            Self::TooLong => {
                let rule = format!("a level has at most {LONGEST_LEVEL} bytes");
                (StatusCode::PAYLOAD_TOO_LARGE, line(&rule)).into_response()
            }
            Self::Wrong(reason) => (StatusCode::BAD_REQUEST, line(&reason)).into_response(),
        }
    }
}

fn line(text: &str) -> String {
    format!("{text}\n")
}
