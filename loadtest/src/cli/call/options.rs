//! What a report says about the run's settings, by the names in ghz's JSON.

use std::{collections::BTreeMap, time::Duration};

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
    problem::Problem,
};

/// The options, as ghz's report has them. Durations are nanoseconds.
pub(super) fn of(settings: &Settings, plan: &CallPlan) -> Map<String, Value> {
    let Settings { input, security, load, concurrency, output, .. } = settings;
    let file = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let data = match &plan.requests.data {
        Data::Json(Given { content, .. }) => serde_json::from_str(content).unwrap_or_else(|_| json!(content)),
        Data::Binary(_) => Value::Null,
    };
    let metadata = plan.requests.metadata.as_ref();
    // ghz has an object here, and does not know lists of them.
    let metadata = metadata.and_then(|given| serde_json::from_str::<Map<String, Value>>(&given.content).ok());
    let imports = input.import_paths.as_ref().map(|ImportPaths(folders)| json!(folders));
    let named = [
        ("insecure", json!(security.insecure.unwrap_or(false))),
        ("load-schedule", json!(load.load_schedule.unwrap_or_default())),
        ("load-start", json!(load.load_start.unwrap_or(0))),
        ("load-end", json!(load.load_end.unwrap_or(0))),
        ("load-step", json!(load.load_step.unwrap_or(0))),
        ("load-step-duration", nanoseconds(load.load_step_duration)),
        ("load-max-duration", nanoseconds(load.load_max_duration)),
        ("concurrency-schedule", json!(concurrency.concurrency_schedule.unwrap_or_default())),
        ("concurrency-start", json!(concurrency.concurrency_start.unwrap_or(0))),
        ("concurrency-end", json!(concurrency.concurrency_end.unwrap_or(0))),
        ("concurrency-step", json!(concurrency.concurrency_step.unwrap_or(0))),
        ("concurrency-step-duration", nanoseconds(concurrency.concurrency_step_duration)),
        ("concurrency-max-duration", nanoseconds(concurrency.concurrency_max_duration)),
        ("binary", json!(matches!(plan.requests.data, Data::Binary(_)))),
        ("CPUs", json!(plan.engine.max_threads())),
        // ghz leaves the following out where they are empty or 0; so does what is null here.
        ("call", json!(input.call)),
        ("host", json!(settings.host)),
        ("proto", json!(input.proto)),
        ("protoset", json!(input.protoset)),
        ("import-paths", imports.unwrap_or(Value::Null)),
        ("enable-compression", truth(input.enable_compression)),
        ("cacert", json!(file(&security.cacert))),
        ("cert", json!(file(&security.cert))),
        ("key", json!(file(&security.key))),
        ("cname", json!(security.cname)),
        ("skipTLS", truth(security.skip_tls)),
        ("authority", json!(security.authority)),
        ("rps", json!(load.rps.filter(|rate| *rate > 0))),
        ("concurrency", json!(concurrency.concurrency.unwrap_or(WORKERS))),
        ("total", json!(load.total.unwrap_or(TOTAL))),
        ("async", truth(load.r#async)),
        ("connections", json!(plan.engine.connections.unwrap_or_else(|| plan.engine.max_threads()))),
        ("duration", json!(plan.engine.stop.duration.map(whole))),
        ("timeout", json!(whole(load.timeout.map_or(TIMEOUT, |given| given.0)))),
        ("dial-timeout", json!(whole(plan.engine.endpoint.connect_timeout))),
        ("keepalive", json!(plan.engine.endpoint.keepalive.map(whole))),
        ("data", data),
        ("metadata", metadata.map_or(Value::Null, Value::Object)),
        ("name", json!(output.name)),
        ("skipFirst", json!(output.skip_first.filter(|calls| *calls > 0))),
        ("count-errors", truth(output.count_errors)),
    ];
    named
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The tags of the run.
pub(super) fn tags(given: Option<&JsonText>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(JsonText(text)) = given.filter(|given| !given.0.trim().is_empty()) else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(text).map_err(|error| {
        Problem::new(
            format!("--tags: {error}"),
            "write tags as a JSON object of strings, such as {\"env\":\"staging\"}",
        )
    })
}

fn truth(given: Option<bool>) -> Value {
    if given == Some(true) { json!(true) } else { Value::Null }
}

fn nanoseconds(given: Option<GoDuration>) -> Value {
    json!(positive(given).map_or(0, whole))
}

fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
