//! The methods that are served, and their names in telemetry.

/// A method that is served here, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method(usize);

/// A method that is served.
struct Served {
    path: &'static str,
    /// Its requests are streams of messages.
    is_client_streaming: bool,
    /// Its responses are streams, which clients may keep open.
    is_streaming: bool,
}

/// The busiest first. There are so few that a list is the quickest map.
const SERVED: [Served; 22] = [
    call("/inrush.v1.QueueService/Enqueue"),
    call("/inrush.v1.QueueService/PollStatus"),
    call("/inrush.v1.QueueService/Cancel"),
    call("/inrush.v1.QueueService/BatchPollStatus"),
    server_stream("/inrush.v1.QueueService/WatchStatus"),
    call("/inrush.v1.SettlementService/ReleaseOrder"),
    call("/inrush.v1.SaleAdminService/CreateSale"),
    call("/inrush.v1.SaleAdminService/GetSale"),
    call("/inrush.v1.SaleAdminService/ListSales"),
    call("/inrush.v1.SaleAdminService/UpdateSale"),
    call("/inrush.v1.SaleAdminService/HoldSale"),
    call("/inrush.v1.SaleAdminService/ResumeSale"),
    call("/inrush.v1.SaleAdminService/CloseSale"),
    call("/inrush.v1.SaleAdminService/DeleteSale"),
    call("/inrush.v1.SaleAdminService/ListDeadLetters"),
    call("/inrush.v1.SaleAdminService/RedriveDeadLetters"),
    call("/inrush.v1.SaleAdminService/DiscardDeadLetters"),
    call("/inrush.v1.SaleAdminService/ReconcileOrders"),
    call("/grpc.health.v1.Health/Check"),
    server_stream("/grpc.health.v1.Health/Watch"),
    stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
    stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
];

const fn call(path: &'static str) -> Served {
    Served { path, is_client_streaming: false, is_streaming: false }
}

const fn server_stream(path: &'static str) -> Served {
    Served { path, is_client_streaming: false, is_streaming: true }
}

const fn stream(path: &'static str) -> Served {
    Served { path, is_client_streaming: true, is_streaming: true }
}

impl Method {
    pub(crate) const ENQUEUE: Self = Self(0);
    pub(crate) const POLL_STATUS: Self = Self(1);
    pub(crate) const CANCEL: Self = Self(2);

    /// The method at this path.
    pub(crate) fn of(path: &str) -> Self {
        Self(SERVED.iter().position(|served| served.path == path).unwrap_or(SERVED.len()))
    }

    /// Its full name, such as `inrush.v1.QueueService/Enqueue`. All methods that are not served share one name, since callers
    /// could send any number of them.
    pub(crate) fn name(self) -> &'static str {
        self.served().and_then(|served| served.path.strip_prefix('/')).unwrap_or("_OTHER")
    }

    /// Whether its responses are streams, which clients may keep open.
    pub(crate) fn is_streaming(self) -> bool {
        self.served().is_some_and(|served| served.is_streaming)
    }

    /// Whether its requests are streams of messages.
    pub(crate) fn is_client_streaming(self) -> bool {
        self.served().is_some_and(|served| served.is_client_streaming)
    }

    /// Whether it belongs to the health service.
    pub(crate) fn is_health(self) -> bool {
        self.served().is_some_and(|served| served.path.starts_with("/grpc.health.v1.Health/"))
    }

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=SERVED.len()).map(Self)
    }

    /// Its index in [`Method::all`].
    pub(crate) const fn index(self) -> usize {
        self.0
    }

    fn served(self) -> Option<&'static Served> {
        SERVED.get(self.0)
    }
}

#[cfg(test)]
mod tests {
    use inrush_proto::FILE_DESCRIPTOR_SET;
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The services of these descriptors, each method with its path and whether either side streams.
    fn described(descriptors: &[u8]) -> Vec<(String, bool)> {
        let files = FileDescriptorSet::decode(descriptors).unwrap().file;
        let services = files.iter().flat_map(|file| {
            file.service.iter().map(move |service| format!("/{}.{}", file.package(), service.name()))
        });
        let methods = files.iter().flat_map(|file| file.service.iter().map(|service| &service.method));
        services
            .zip(methods)
            .flat_map(|(service, methods)| {
                methods.iter().map(move |method| {
                    let is_streaming = method.client_streaming() || method.server_streaming();
                    (format!("{service}/{}", method.name()), is_streaming)
                })
            })
            .collect()
    }

    #[test]
    fn every_method_of_every_service_is_listed() {
        let published = [
            FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let methods: Vec<_> = published.into_iter().flat_map(described).collect();
        let served = methods.iter().filter(|(path, _)| !path.contains("OrderCreationService"));
        assert_eq!(served.clone().count(), SERVED.len());
        for (path, is_streaming) in served {
            let method = Method::of(path);
            assert_eq!((method.name(), method.is_streaming()), (&path[1..], *is_streaming), "{path}");
            assert_eq!(Method::all().nth(method.index()), Some(method));
        }
        assert_eq!(Method::of("/inrush.v1.QueueService/Enqueue"), Method::ENQUEUE);
        assert_eq!(Method::of("/inrush.v1.QueueService/PollStatus"), Method::POLL_STATUS);
        assert_eq!(Method::of("/inrush.v1.QueueService/Cancel"), Method::CANCEL);
    }

    #[test]
    fn unknown_methods_share_one_name() {
        for path in ["/", "", "/inrush.v1.QueueService/enqueue", "/admin.php"] {
            assert_eq!((Method::of(path).name(), Method::of(path).is_streaming()), ("_OTHER", false));
        }
    }
}
