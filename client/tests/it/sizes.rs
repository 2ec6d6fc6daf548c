//! The memory per buyer: a million followed tickets, each with a call in flight, must fit one machine.

use inrush_client::{Client, ClientSettings, Follow, Ticket, Watch};

fn is_shareable<T: Clone + Send + Sync + 'static>(_: &T) {}

#[tokio::test]
async fn clients_and_futures_of_calls_are_small() {
    let client = Client::lazy(ClientSettings::new("http://127.0.0.1:1")).unwrap();
    is_shareable(&client);
    assert!(size_of::<Client>() <= 32, "Client is {} bytes", size_of::<Client>());
    let ticket = Ticket::from("t");
    let enqueue = size_of_val(&client.enqueue("shoes", "ann", 1, ""));
    assert!(enqueue <= 2_048, "enqueue is {enqueue} bytes");
    let poll = size_of_val(&client.poll(&ticket));
    assert!(poll <= 2_048, "poll is {poll} bytes");
    assert!(size_of::<Follow>() <= 192, "Follow is {} bytes", size_of::<Follow>());
    assert!(size_of::<Watch>() <= 384, "Watch is {} bytes", size_of::<Watch>());
}
