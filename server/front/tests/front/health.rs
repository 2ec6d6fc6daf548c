//! Health and reflection.

use std::collections::BTreeSet;

use inrush_core::SaleSettings;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    harness::{Front, enqueue_request, eventually, reason, settings},
    probe::Probe,
};

const SERVICES: [&str; 3] =
    ["inrush.v1.QueueService", "inrush.v1.SaleAdminService", "inrush.v1.SettlementService"];

async fn health(front: &Front, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(front.channel.clone()).check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn health_is_serving_only_while_the_store_answers() {
    let store = Probe::new();
    store.set_unavailable(true);
    let front = Front::with(store, settings()).await;
    for service in SERVICES.into_iter().chain([""]) {
        assert_eq!(health(&front, service).await, ServingStatus::NotServing, "{service}");
    }
    assert!(front.readiness.report().missing["store"].ends_with("connection refused"));
    let status = front.queue().enqueue(enqueue_request("phone-x", "ada", 1)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STORE_UNAVAILABLE"));
    assert!(!status.message().contains("refused"), "the address of a store is not for callers");

    front.store.set_unavailable(false);
    eventually("serving", async || health(&front, "").await == ServingStatus::Serving).await;
    for service in SERVICES {
        assert_eq!(health(&front, service).await, ServingStatus::Serving, "{service}");
    }
    assert!(front.readiness.report().ready);
    front.create("phone-x", SaleSettings::of_stock(1)).await;
    front.queued("phone-x", "ada").await;

    front.store.set_unavailable(true);
    eventually("not serving", async || health(&front, "").await == ServingStatus::NotServing).await;
    assert!(!front.readiness.report().ready);
    front.store.set_unavailable(false);
    eventually("serving again", async || health(&front, "").await == ServingStatus::Serving).await;
    assert!(front.queued("phone-x", "ada").await.repeated);
}

#[tokio::test]
async fn a_front_whose_store_only_refuses_writes_serves_and_reports_the_cause() {
    let front = Front::start().await;
    front.create("phone-x", SaleSettings::of_stock(9)).await;
    front.queued("phone-x", "ada").await;
    front.store.set_full(true);
    let status = front.queue().enqueue(enqueue_request("phone-x", "bob", 1)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "STORE_REFUSES_WRITES"));
    assert!(status.message().contains("the store is full"), "{}", status.message());
    eventually("degraded", async || front.readiness.report().degraded.contains_key("store")).await;
    let report = front.readiness.report();
    assert!(report.ready && report.degraded["store"].contains("raise maxmemory"), "{report:?}");
    assert_eq!(health(&front, "").await, ServingStatus::Serving);

    front.store.set_full(false);
    front.queued("phone-x", "bob").await;
    eventually("not degraded", async || front.readiness.report().degraded.is_empty()).await;
}

#[tokio::test]
async fn reflection_lists_exactly_the_served_services_in_both_versions() {
    let front = Front::start().await;
    let others = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    let served: BTreeSet<String> = SERVICES.into_iter().chain(others).map(str::to_owned).collect();
    assert_eq!(v1_services(&front).await, served);
    assert_eq!(v1alpha_services(&front).await, served);
}

/// The two versions differ in nothing but their names.
macro_rules! listing {
    ($function:ident, $version:ident) => {
        async fn $function(front: &Front) -> BTreeSet<String> {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let message_request = Some(MessageRequest::ListServices(String::new()));
            let request = ServerReflectionRequest { host: String::new(), message_request };
            let mut client = ServerReflectionClient::new(front.channel.clone());
            let mut answers = client
                .server_reflection_info(futures_util::stream::iter([request]))
                .await
                .unwrap()
                .into_inner();
            match answers.message().await.unwrap().unwrap().message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    list.service.into_iter().map(|s| s.name).collect()
                }
                other => panic!("{other:?}"),
            }
        }
    };
}

listing!(v1_services, v1);
listing!(v1alpha_services, v1alpha);
