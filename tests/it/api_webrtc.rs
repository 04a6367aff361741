//! Negotiation over REST: a peer is its owner's, and nobody else's.

use serde_json::{Value, json};

use crate::limits::{book, offer};
use crate::support::TestApp;

#[tokio::test]
async fn a_peer_is_served_to_its_owner_and_is_nothing_to_others() {
    let app = TestApp::start().await;
    let (admin, holder, other) = (app.admin().await, app.viewer().await, app.viewer().await);
    let robot = admin.robot("turtle", "turtlebot").await;
    book(&holder, &robot).await;
    let ask = async |sdp: String| {
        let body = json!({"robot_type": "turtlebot", "sdp": sdp, "type": "offer"});
        holder.client.post("/webrtc/offer", body).await
    };
    let answered = ask(offer("owner")).await;
    assert_eq!((answered.status, answered.text("type")), (200, "answer"), "{answered:?}");
    assert_eq!(ask(offer("owner")).await.body, answered.body, "asked again: one peer, one answer");
    let peer = answered.text("peer_id");
    let trickled = json!({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0"});
    let calls: [(&str, String, Value, u16); 6] = [
        ("GET", format!("/webrtc/candidates/{peer}"), Value::Null, 200),
        ("GET", format!("/webrtc/peers/{peer}/stats"), Value::Null, 200),
        ("POST", "/webrtc/ice-candidate".into(), json!({"peer_id": peer, "candidate": trickled}), 200),
        ("POST", "/webrtc/ice-candidate".into(), json!({"peer_id": peer, "candidate": null}), 200),
        ("POST", "/webrtc/answer".into(), json!({"peer_id": peer, "sdp": "v=0", "type": "answer"}), 422),
        ("DELETE", format!("/webrtc/peer/{peer}"), Value::Null, 204),
    ];
    for (method, path, body, status) in calls {
        let body = (!body.is_null()).then_some(body);
        for person in [&other, &admin] {
            let refused = person.client.send(method, &path, body.clone()).await;
            assert_eq!(refused.refusal(), (404, "not_found"), "{method} {path}");
        }
        let reply = holder.client.send(method, &path, body).await;
        assert_eq!(reply.status, status, "{method} {path} {reply:?}");
        match path.as_str() {
            "/webrtc/answer" => assert_eq!(reply.refusal(), (422, "not_available")),
            path if path.starts_with("/webrtc/candidates") => {
                let candidates = reply.body["candidates"].as_array().expect("a list");
                assert_eq!((reply.text("peer_id"), &reply.body["count"]), (peer, &json!(candidates.len())));
                for member in ["candidate", "sdpMid", "sdpMLineIndex"] {
                    assert!(candidates.iter().all(|one| one.get(member).is_some()), "{member}: {reply:?}");
                }
            }
            _ => {}
        }
    }
    let gone = holder.client.get(&format!("/webrtc/candidates/{peer}")).await;
    assert_eq!(gone.refusal(), (404, "not_found"));
    app.stop().await;
}
