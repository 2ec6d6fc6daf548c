//! Asking servers about their methods.

use crate::called::{Called, Certificates, Folder, Setup, Versions};

const LINE: &str = r#"ghz --insecure --call routeguide.RouteGuide/ListFeatures -n 3 -c 1 -d '{"lo":{"latitude":7}}' -O csv "#;

#[test]
fn an_older_server_is_asked_as_it_understands() {
    let server = Called::start(&Setup { reflection: Versions::OnlyAlpha, ..Setup::default() });
    let output = Folder::new(&Certificates::new()).run(&format!("{LINE}{}", server.address), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.calls()[0].messages[0]["lo"]["latitude"], 7);
}

#[test]
fn a_server_is_asked_over_tls_as_it_is_called() {
    let certificates = Certificates::new();
    let server = Called::start(&Setup { tls: Some(&certificates), mutual: true, ..Setup::default() });
    let line =
        LINE.replace("--insecure", "--cacert ca.pem --cert client.pem --key client.key --cname greeter.test");
    let output = Folder::new(&certificates).run(&format!("{line}{}", server.address), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn a_server_without_reflection_needs_a_definition() {
    let server = Called::start(&Setup { reflection: Versions::None, ..Setup::default() });
    let output = Folder::new(&Certificates::new()).run(&format!("{LINE}{}", server.address), b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no server reflection") && said.contains("--proto FILE.proto"), "{said}");
}
