//! All receivers of a server's events.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::mqtt::{self, Board, MqttOptions};
use super::receiver::Receiver;
use super::reply::Reply;
use super::webhook::{self, Webhook};
use crate::metrics::Metrics;
use crate::mutex::Mutex;

/// Most replies that wait for a webhook. Each can have a picture of up to half a megabyte.
const WEBHOOK_QUEUE: usize = 64;
/// Most replies that wait for a broker.
const MQTT_QUEUE: usize = 256;
/// Time for remaining replies when the server shuts down.
const FAREWELL: Duration = Duration::from_secs(3);

/// The receivers of events; none by default.
#[derive(Clone, Default)]
pub struct NotifyOptions {
    /// Webhooks, which get replies.
    pub webhooks: Vec<Webhook>,
    /// An MQTT broker, which gets replies and states.
    pub mqtt: Option<MqttOptions>,
}

/// Passes events to every receiver.
pub(crate) struct Notifier {
    webhooks: Vec<Arc<Receiver>>,
    mqtt: Option<(Arc<Receiver>, Arc<Board>)>,
    tasks: Mutex<JoinSet<()>>,
}

impl Notifier {
    /// Starts a task for every receiver. `model` is the name of the served model. Must be called within
    /// a tokio runtime.
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
            // The futures of the MQTT client are not `Send`, so they run on a thread of their own.
            tasks.spawn_blocking(move || runtime.block_on(mqtt::work(options, &model, &told, &states)));
            (receiver, board)
        });
        Self { webhooks, mqtt, tasks: Mutex::new(tasks) }
    }

    /// Whether any receiver gets pictures of frames.
    pub(super) fn sends_pictures(&self) -> bool {
        !self.webhooks.is_empty()
    }

    /// Whether any receiver gets replies.
    pub(super) fn tells_replies(&self) -> bool {
        self.sends_pictures() || self.mqtt.is_some()
    }

    /// The board of states, if a receiver publishes states.
    pub(super) fn board(&self) -> Option<&Board> {
        self.mqtt.as_ref().map(|(_, board)| &**board)
    }

    fn receivers(&self) -> impl Iterator<Item = &Arc<Receiver>> {
        self.webhooks.iter().chain(self.mqtt.iter().map(|(receiver, _)| receiver))
    }

    /// Passes a reply to every receiver. Never waits.
    pub(super) fn tell(&self, reply: &Arc<Reply>) {
        self.receivers().for_each(|receiver| receiver.tell(reply));
    }

    /// Sends what still waits, within a time limit.
    pub(crate) async fn finish(&self) {
        self.receivers().for_each(|receiver| receiver.queue.end());
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tasks.abort_all();
        }
        self.receivers().for_each(|receiver| receiver.give_up());
    }
}
