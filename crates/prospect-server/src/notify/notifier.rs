//! All receivers of a server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::mqtt::{self, Board, MqttOptions};
use super::receiver::Receiver;
use super::reply::Reply;
use super::webhook::{self, Webhook};
use crate::metrics::Metrics;

/// Most replies that wait for a webhook, each with a picture of at most half a megabyte.
const WEBHOOK_QUEUE: usize = 64;
/// Most replies that wait for a broker.
const MQTT_QUEUE: usize = 256;
/// How long receivers have, at the server's end, for what still waits.
const FAREWELL: Duration = Duration::from_secs(3);

/// Who is told of what happens in sessions; nobody by default.
#[derive(Clone, Default)]
pub struct NotifyOptions {
    /// Are told of replies.
    pub webhooks: Vec<Webhook>,
    /// Is told of replies and states.
    pub mqtt: Option<MqttOptions>,
}

/// Hands what happens to every receiver.
pub(crate) struct Notifier {
    webhooks: Vec<Arc<Receiver>>,
    mqtt: Option<(Arc<Receiver>, Arc<Board>)>,
    tasks: Mutex<JoinSet<()>>,
}

impl Notifier {
    /// Starts a task for every receiver; `model` is what is served. Called where tokio runs.
    pub(crate) fn start(options: NotifyOptions, model: &str, metrics: &Metrics) -> Self {
        let mut tasks = JoinSet::new();
        let mut webhooks = Vec::new();
        for (number, target) in (1..).zip(options.webhooks) {
            let name = format!("webhook_{number}");
            let counts = metrics.receiver(&name);
            let receiver = Arc::new(Receiver::new(name, WEBHOOK_QUEUE, counts));
            tasks.spawn(webhook::work(target, Arc::clone(&receiver)));
            webhooks.push(receiver);
        }
        let mqtt = options.mqtt.map(|options| {
            let name = "mqtt".to_owned();
            let counts = metrics.receiver(&name);
            let receiver = Arc::new(Receiver::new(name, MQTT_QUEUE, counts));
            let board = Arc::new(Board::default());
            let (told, states, model) = (Arc::clone(&receiver), Arc::clone(&board), model.to_owned());
            let runtime = tokio::runtime::Handle::current();
            // The client's futures do not go from thread to thread.
            tasks.spawn_blocking(move || runtime.block_on(mqtt::work(options, &model, &told, &states)));
            (receiver, board)
        });
        Self { webhooks, mqtt, tasks: Mutex::new(tasks) }
    }

    /// Whether anybody is told what frames look like.
    pub(super) fn sends_pictures(&self) -> bool {
        !self.webhooks.is_empty()
    }

    /// Whether anybody is told of replies.
    pub(super) fn tells_replies(&self) -> bool {
        self.sends_pictures() || self.mqtt.is_some()
    }

    /// Where states are shown, if anybody looks at them.
    pub(super) fn board(&self) -> Option<&Board> {
        self.mqtt.as_ref().map(|(_, board)| &**board)
    }

    fn receivers(&self) -> impl Iterator<Item = &Arc<Receiver>> {
        self.webhooks.iter().chain(self.mqtt.iter().map(|(receiver, _)| receiver))
    }

    /// Has everybody told of a reply. Never waits.
    pub(super) fn tell(&self, reply: &Arc<Reply>) {
        self.receivers().for_each(|receiver| receiver.tell(reply));
    }

    /// Has what still waits told, within bounds.
    pub(crate) async fn finish(&self) {
        self.receivers().for_each(|receiver| receiver.queue.end());
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tasks.abort_all();
        }
        self.receivers().for_each(|receiver| receiver.give_up());
    }
}
