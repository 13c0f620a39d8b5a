//! A pooler lends us a session for a transaction at a time, and lends it to others in between.

use crate::pooler::{Others, Pooler};
use crate::proxy::Weather;
use crate::scene::{Round, Scene, Setup, Verdict};

/// Other clients on the same sessions, and batches that have to be sent again.
pub(crate) fn beside_others(round: Round) -> Verdict {
    let mut scene = Scene::open(round, Setup::default());
    let pooler = Pooler::start(&scene.stage);
    scene.proxy.turn_to(pooler.port());
    scene.kick();
    scene.calm();
    let mut others = Others::start(&scene.stage, &pooler, 3 * scene.scale);
    while !others.are_done() {
        scene.suffer(0..100);
        scene.proxy.weather(Weather::Reset);
        scene.suffer(0..20);
        scene.proxy.weather(Weather::Fair);
    }
    others.check(&scene.stage);
    scene.healed();
    scene.verdict()
}

/// The pooler is killed, and with it every session of the server that it held.
pub(crate) fn killed(round: Round) -> Verdict {
    let mut scene = Scene::open(round, Setup::default());
    let mut pooler = Pooler::start(&scene.stage);
    scene.proxy.turn_to(pooler.port());
    scene.kick();
    scene.calm();
    for _ in 0..3 * scene.scale {
        scene.suffer(0..500);
        pooler.kill_and_start();
    }
    scene.healed();
    scene.verdict()
}
