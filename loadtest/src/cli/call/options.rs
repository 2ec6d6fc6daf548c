//! The settings of a run as the `options` of a report, with the names of ghz's JSON.

use std::{collections::BTreeMap, time::Duration};

use inrush_transport::Error;
use serde_json::{Map, Value, json};

use super::{
    load::{TOTAL, WORKERS, positive},
    plan::TIMEOUT,
    settings::{ImportPaths, JsonText, Settings},
};
use crate::{
    call::CallPlan,
    go_duration::GoDuration,
    message::{Data, Given},
};

/// The options, as in a report of ghz. Durations are in nanoseconds.
pub(super) fn of(settings: &Settings, plan: &CallPlan) -> Map<String, Value> {
    let Settings { input, security, load, concurrency, output, .. } = settings;
    let file = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let data = match &plan.requests.data {
        Data::Json(Given { content, .. }) => serde_json::from_str(content).unwrap_or_else(|_| json!(content)),
        Data::Binary(_) => Value::Null,
    };
    let metadata = plan.requests.metadata.as_ref();
    // ghz has an object here, and no lists of objects.
    let metadata =
        metadata.and_then(|metadata| serde_json::from_str::<Map<String, Value>>(&metadata.content).ok());
    let imports = input.import_paths.as_ref().map(|ImportPaths(folders)| json!(folders));
    let named = [
        ("insecure", json!(security.insecure.unwrap_or(false))),
        ("load-schedule", json!(load.load_schedule.unwrap_or_default())),
        ("load-start", json!(load.load_start.unwrap_or(0))),
        ("load-end", json!(load.load_end.unwrap_or(0))),
        ("load-step", json!(load.load_step.unwrap_or(0))),
        ("load-step-duration", positive_nanoseconds(load.load_step_duration)),
        ("load-max-duration", positive_nanoseconds(load.load_max_duration)),
        ("concurrency-schedule", json!(concurrency.concurrency_schedule.unwrap_or_default())),
        ("concurrency-start", json!(concurrency.concurrency_start.unwrap_or(0))),
        ("concurrency-end", json!(concurrency.concurrency_end.unwrap_or(0))),
        ("concurrency-step", json!(concurrency.concurrency_step.unwrap_or(0))),
        ("concurrency-step-duration", positive_nanoseconds(concurrency.concurrency_step_duration)),
        ("concurrency-max-duration", positive_nanoseconds(concurrency.concurrency_max_duration)),
        ("binary", json!(matches!(plan.requests.data, Data::Binary(_)))),
        ("CPUs", json!(plan.engine.max_threads())),
        // Like ghz, the following are omitted if they are empty or 0, which is null here.
        ("call", json!(input.call)),
        ("host", json!(settings.host)),
        ("proto", json!(input.proto)),
        ("protoset", json!(input.protoset)),
        ("import-paths", imports.unwrap_or(Value::Null)),
        ("enable-compression", if_true(input.enable_compression)),
        ("cacert", json!(file(&security.cacert))),
        ("cert", json!(file(&security.cert))),
        ("key", json!(file(&security.key))),
        ("cname", json!(security.cname)),
        ("skipTLS", if_true(security.skip_tls)),
        ("authority", json!(security.authority)),
        ("rps", json!(load.rps.filter(|rate| *rate > 0))),
        ("concurrency", json!(concurrency.concurrency.unwrap_or(WORKERS))),
        ("total", json!(load.total.unwrap_or(TOTAL))),
        ("async", if_true(load.r#async)),
        ("connections", json!(plan.engine.connections.unwrap_or_else(|| plan.engine.max_threads()))),
        ("duration", json!(plan.engine.stop.duration.map(nanoseconds))),
        ("timeout", json!(nanoseconds(load.timeout.map_or(TIMEOUT, |timeout| timeout.0)))),
        ("dial-timeout", json!(nanoseconds(plan.engine.endpoint.connect_timeout))),
        ("keepalive", json!(plan.engine.endpoint.keepalive.map(nanoseconds))),
        ("data", data),
        ("metadata", metadata.map_or(Value::Null, Value::Object)),
        ("name", json!(output.name)),
        ("skipFirst", json!(output.skip_first.filter(|calls| *calls > 0))),
        ("count-errors", if_true(output.count_errors)),
    ];
    named
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The tags of the run.
pub(super) fn tags(tags: Option<&JsonText>) -> Result<BTreeMap<String, String>, Error> {
    let Some(JsonText(text)) = tags.filter(|tags| !tags.0.trim().is_empty()) else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(text).map_err(|error| {
        Error::new(
            format!("--tags: {error}"),
            "write tags as a JSON object of strings, such as {\"env\":\"staging\"}",
        )
    })
}

fn if_true(switch: Option<bool>) -> Value {
    if switch == Some(true) { json!(true) } else { Value::Null }
}

fn positive_nanoseconds(duration: Option<GoDuration>) -> Value {
    json!(positive(duration).map_or(0, nanoseconds))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
