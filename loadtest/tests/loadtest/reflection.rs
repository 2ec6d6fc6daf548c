//! Server reflection.

use crate::called::{Certificates, DynamicServer, Folder, Setup, Versions};

const LINE: &str = r#"ghz --insecure --call routeguide.RouteGuide/ListFeatures -n 3 -c 1 -d '{"lo":{"latitude":7}}' -O csv "#;

#[test]
fn the_old_version_of_reflection_is_supported() {
    let server = DynamicServer::start(&Setup { reflection: Versions::OnlyAlpha, ..Setup::default() });
    let output = Folder::new(&Certificates::new()).run(&format!("{LINE}{}", server.address), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.calls()[0].messages[0]["lo"]["latitude"], 7);
}

#[test]
fn reflection_uses_the_tls_settings_of_the_calls() {
    let certificates = Certificates::new();
    let server = DynamicServer::start(&Setup { tls: Some(&certificates), mutual: true, ..Setup::default() });
    let line =
        LINE.replace("--insecure", "--cacert ca.pem --cert client.pem --key client.key --cname greeter.test");
    let output = Folder::new(&certificates).run(&format!("{line}{}", server.address), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn a_server_without_reflection_is_an_error_with_the_remedy() {
    let server = DynamicServer::start(&Setup { reflection: Versions::None, ..Setup::default() });
    let output = Folder::new(&Certificates::new()).run(&format!("{LINE}{}", server.address), b"");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("no server reflection") && stderr.contains("--proto FILE.proto"), "{stderr}");
}
