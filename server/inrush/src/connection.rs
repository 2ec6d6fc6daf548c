//! The connection of a client command to a front.

use std::future::Future;

use inrush_client::{CallError, Client, ClientSettings, TlsSettings};

use crate::{error, settings::Settings};

/// The variable that may hold the bearer token. Settings take it from there only, so that no file or argument shows it.
const TOKEN_VARIABLE: &str = "INRUSH_CLIENT_TOKEN";

/// A connected front, and its name for messages.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    server: String,
}

impl Connection {
    /// Connects to the front that the settings name.
    ///
    /// # Errors
    /// In two lines, if it cannot be reached or the settings make no sense.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        match Client::connect(client_settings(settings)).await {
            Ok(client) => Ok(Self { client, server: settings.server.clone() }),
            Err(error) => Err(error::connection(&error)),
        }
    }

    /// The client, for streams.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for the answer to a call.
    ///
    /// # Errors
    /// In two lines, if the call failed.
    pub(crate) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> anyhow::Result<T> {
        call.await.map_err(|error| self.explain(&error))
    }

    /// A failed call in two lines.
    pub(crate) fn explain(&self, error: &CallError) -> anyhow::Error {
        error::call(error, &self.server)
    }
}

fn client_settings(settings: &Settings) -> ClientSettings {
    let client = &settings.client;
    let mut chosen = ClientSettings::new(settings.server.as_str())
        .connections_per_endpoint(1)
        .call_deadline(client.timeout)
        .user_agent(concat!("inrush/", env!("CARGO_PKG_VERSION")));
    if let Some(file) = &client.token_file {
        chosen = chosen.bearer_token_file(file);
    } else if client.token.is_some() {
        chosen = chosen.bearer_token_variable(TOKEN_VARIABLE);
    }
    if settings.server.starts_with("https://") {
        let mut tls = TlsSettings::new();
        if let Some(file) = &client.ca_file {
            tls = tls.ca_file(file);
        }
        if let Some(name) = &client.domain {
            tls = tls.domain_name(name);
        }
        if let (Some(certificate), Some(key)) = (&client.cert_file, &client.key_file) {
            tls = tls.client_certificate_files(certificate, key);
        }
        chosen = chosen.tls(tls);
    }
    chosen
}
