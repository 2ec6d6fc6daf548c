//! The plan of a run, from the settings.

use std::time::Duration;

use inrush_transport::{CallKind, Error};

use super::{
    endpoint::{self, MAX_MESSAGE_SIZE},
    input,
    load::{self, positive},
    settings::Settings,
};
use crate::{
    call::CallPlan,
    engine::{self, Load, Plan, Recording, Streaming},
    message::{Data, RequestPlan},
    schedule::ConcurrencySchedule,
};

/// The default time limit of calls, as in ghz.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// The default number of recorded calls.
const DETAILS: u32 = 100_000;

/// The plan of a run. Without a definition, the method is looked up by server reflection.
pub(super) fn of(settings: &Settings) -> Result<CallPlan, Error> {
    let (load, stop) = (load::of(settings)?, load::stop(settings));
    let skip_first = settings.output.skip_first.unwrap_or(0);
    if stop.calls.is_some_and(|calls| skip_first > calls) {
        return Err(Error::new(
            format!("--skipFirst {skip_first} exceeds the number of calls"),
            "exclude fewer calls, or make more with --total",
        ));
    }
    let connections = connections(settings, &load)?;
    let endpoint = endpoint::of(settings)?;
    let target = input::target(&settings.input, &endpoint)?;
    let threads = threads(settings);
    let requests = RequestPlan {
        descriptors: target.method.parent_pool().encode_to_vec(),
        service: target.method.parent_service().full_name().to_owned(),
        method: target.method.name().to_owned(),
        data: input::data(&settings.input)?,
        metadata: input::metadata(&settings.input)?,
        templates: input::templates(&settings.input),
        stream_count: settings.streams.stream_call_count.filter(|count| *count > 0),
        dynamic_messages: settings.streams.stream_dynamic_messages.unwrap_or(false),
        compressed: settings.input.enable_compression.unwrap_or(false),
        max_size: settings.connection.max_send_message_size.map_or(MAX_MESSAGE_SIZE, |size| size.0),
        name: settings.output.name.clone().filter(|name| !name.is_empty()),
        connections: connections
            .unwrap_or_else(|| u32::try_from(threads.unwrap_or_else(engine::cores)).unwrap_or(u32::MAX)),
    };
    check_dynamic(&requests)?;
    requests.check()?;
    let engine = Plan {
        path: target.path(),
        kind: target.kind(),
        endpoint,
        load,
        stop,
        timeout: Some(settings.load.timeout.map_or(TIMEOUT, |timeout| timeout.0))
            .filter(|limit| !limit.is_zero()),
        streaming: Streaming {
            interval: settings.streams.stream_interval.map_or(Duration::ZERO, |duration| duration.0),
            call_duration: positive(settings.streams.stream_call_duration),
            // For client streams, the number of messages is part of the plan of the requests.
            receive_count: requests.stream_count.filter(|_| target.kind() == CallKind::ServerStreaming),
        },
        compressed: requests.compressed,
        connections: connections.map(|number| usize::try_from(number).unwrap_or(usize::MAX)),
        threads,
        recording: Recording {
            warm_up: settings.extensions.warm_up.map_or(Duration::ZERO, |duration| duration.0),
            skip_first,
            details: usize::try_from(settings.extensions.details.unwrap_or(DETAILS)).unwrap_or(usize::MAX),
        },
    };
    Ok(CallPlan { engine, requests })
}

fn connections(settings: &Settings, load: &Load) -> Result<Option<u32>, Error> {
    let connections = settings.connection.connections.filter(|number| *number > 0);
    if let (Some(number), Load::Closed { workers: ConcurrencySchedule::Constant { workers }, .. }) =
        (connections, load)
        && number > *workers
    {
        return Err(Error::new(
            format!("--connections {number} exceeds the {workers} workers of --concurrency"),
            "use at least as many workers as connections",
        ));
    }
    Ok(connections)
}

fn threads(settings: &Settings) -> Option<usize> {
    let threads = settings.connection.cpus.filter(|number| *number > 0);
    threads.and_then(|number| usize::try_from(number).ok())
}

fn check_dynamic(requests: &RequestPlan) -> Result<(), Error> {
    if requests.dynamic_messages && matches!(requests.data, Data::Binary(_)) {
        return Err(Error::new(
            "--stream-dynamic-messages does not apply to encoded messages",
            "omit it, or pass the messages as JSON with templates",
        ));
    }
    Ok(())
}
