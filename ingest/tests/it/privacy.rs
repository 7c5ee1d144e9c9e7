//! A document's number goes nowhere.

use serde_json::json;

use crate::gateway::{Gateway, ID_CARD, ago};

#[tokio::test]
async fn no_message_and_no_answer_has_the_number_of_a_document() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let document = json!({"type": "id_card", "number": ID_CARD});
    let mut answers = vec![
        gateway.scan(&json!({"venue": 7, "document": document})).await,
        gateway.batch("/v1/scans:batch", &[json!({"venue": 7, "document": document})]).await,
        gateway
            .batch("/v1/health-codes:batch", &[json!({"document": document, "colour": "green", "since": ago(9), "issuer": "CDC", "evidence": "E", "reason": "R"})])
            .await,
        gateway
            .batch("/v1/tests:batch", &[json!({"document": document, "sampled_at": ago(9), "resulted_at": ago(9), "result": "negative", "laboratory": "L"})])
            .await,
    ];
    for answer in &answers {
        answer.ok();
        assert!(!answer.text.contains("problem"), "{}", answer.text);
    }
    // The number where no number belongs: neither may the refusal repeat it.
    for wrong in [
        json!({"venue": 7, "person": ID_CARD}),
        json!({"venue": ID_CARD, "document": document}),
        json!({"code": ID_CARD, "document": document}),
        json!({"venue": 7, "document": ID_CARD}),
        json!({"venue": 7, "document": {"type": ID_CARD, "number": ID_CARD}}),
        json!({"venue": 7, "document": {"type": "id_card", "number": &ID_CARD[..17]}}),
        json!({"venue": 7, "document": document, "scanned_at": ID_CARD}),
        json!({"venue": 7, "document": document, "method": ID_CARD}),
    ] {
        let answer = gateway.scan(&wrong).await;
        assert!(answer.status.is_client_error(), "{wrong}");
        answers.push(answer);
    }
    let unquoted = format!("{{\"venue\":7,\"document\":{{\"type\":\"id_card\",\"number\":{ID_CARD}}}}}");
    answers.push(gateway.post("/v1/scans", "application/json", unquoted).await);

    // Its first digits alone tell where and when someone was born.
    let birth = &ID_CARD[..14];
    for answer in answers {
        assert!(!answer.text.contains(birth), "{}", answer.text);
    }
    for topic in ["scans", "health", "tests", "venues"] {
        let messages = gateway.messages(topic).await;
        assert!(!messages.is_empty(), "{topic}");
        for (key, value) in messages {
            assert!(!key.contains(birth) && !value.contains(birth), "{topic}");
        }
    }
    assert!(!gateway.get("/metrics").await.text.contains(birth));
    gateway.stop().await;
}
