//! Guidance with a partner, who evaluates the half without the prompt: the same picture to the bit, whatever becomes of
//! the partner.

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pollster::block_on;
use support::relative_error;
use support::runs::{latents, loader, model, options, size, text};
use tenstep::Error;
use tenstep::burn::Cpu;
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Answer, Evaluator, Half, Model, Partner};

/// A rounding of sums in another order, through a few steps.
const ROUNDING: f64 = 1e-4;

/// A UNet of its own, that counts and may fail.
struct Second {
    unet: Rc<Evaluator<Cpu>>,
    asked: Rc<RefCell<Vec<Half>>>,
    /// Answers before it goes wrong.
    left: Cell<usize>,
    trouble: Trouble,
}

#[derive(Clone, Copy)]
enum Trouble {
    Fails,
    AnswersTooLittle,
}

impl Partner for Second {
    fn begin(&self, half: Half) -> Answer {
        self.asked.borrow_mut().push(half.clone());
        let unet = self.unet.clone();
        if self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            return Box::pin(async move { unet.evaluate(&half).await });
        }
        let trouble = self.trouble;
        Box::pin(async move {
            match trouble {
                Trouble::Fails => Err(Error::Disposed { what: "partner".to_owned() }),
                Trouble::AnswersTooLittle => Ok(vec![0.0; 3]),
            }
        })
    }
}

fn in_halves() -> Model<Cpu> {
    block_on(loader(None).in_halves().finish()).expect("a model")
}

fn unet() -> Rc<Evaluator<Cpu>> {
    Rc::new(block_on(loader(Some("unet")).finish_evaluator()).expect("a UNet"))
}

/// Gives `model` a partner, and what will have been asked of it.
fn pair(
    model: &Model<Cpu>,
    unet: Rc<Evaluator<Cpu>>,
    answers: usize,
    trouble: Trouble,
) -> Rc<RefCell<Vec<Half>>> {
    let asked = Rc::new(RefCell::default());
    model.set_partner(Rc::new(Second { unet, asked: asked.clone(), left: Cell::new(answers), trouble }));
    asked
}

fn guided(model: &Model<Cpu>, more: &[(&str, Field)]) -> GenerateOptions {
    let mut fields = vec![
        ("prompt", text("a red apple")),
        ("negativePrompt", text("blue")),
        ("seed", Field::Number(3.0)),
        ("steps", Field::Number(4.0)),
    ];
    fields.extend(size(model, [3, 2]));
    fields.extend_from_slice(more);
    options(model, &fields)
}

#[test]
fn a_partner_changes_no_bit_and_halves_differ_from_a_batch_by_rounding() {
    let model = in_halves();
    let asked = guided(&model, &[]);
    let alone = latents(&model, &asked);
    let batched = latents(&self::model(), &asked);
    println!("halves differ from a batch by {:.1e}", relative_error(&alone, &batched));
    assert!(relative_error(&alone, &batched) < ROUNDING);

    let halves = pair(&model, unet(), usize::MAX, Trouble::Fails);
    assert_eq!(latents(&model, &asked), alone);
    assert_eq!(halves.borrow().len(), 4, "each step asked for one half");
    assert!(halves.borrow().iter().all(|half| (half.width, half.height) == (asked.width, asked.height)));
}

#[test]
fn rescaling_adaptive_steps_and_several_evaluations_a_step_are_the_same_with_a_partner() {
    let model = in_halves();
    let unet = unet();
    for more in [
        vec![("guidanceRescale", Field::Number(0.7))],
        vec![("solver", text("heun"))],
        vec![("solver", text("dpm-adaptive")), ("steps", Field::Number(8.0))],
        vec![("solver", text("dpmpp-2m-sde"))],
    ] {
        let asked = guided(&model, &more);
        model.set_partner(Rc::new(Nobody));
        let alone = latents(&model, &asked);
        let halves = pair(&model, unet.clone(), usize::MAX, Trouble::Fails);
        assert_eq!(latents(&model, &asked), alone, "{more:?}");
        assert!(halves.borrow().len() >= 3, "{more:?}");
    }
}

/// Fails at once, after which there is none.
struct Nobody;

impl Partner for Nobody {
    fn begin(&self, _: Half) -> Answer {
        Box::pin(async { Err(Error::Disposed { what: "partner".to_owned() }) })
    }
}

#[test]
fn a_partner_that_fails_is_asked_once_more_and_never_again() {
    let model = in_halves();
    let unet = unet();
    let asked = guided(&model, &[]);
    let alone = latents(&model, &asked);
    for trouble in [Trouble::Fails, Trouble::AnswersTooLittle] {
        for answers in [0, 2] {
            let halves = pair(&model, unet.clone(), answers, trouble);
            assert_eq!(latents(&model, &asked), alone);
            assert_eq!(latents(&model, &asked), alone);
            assert_eq!(halves.borrow().len(), answers + 1);
        }
    }
}

#[test]
fn a_partner_joins_a_run_under_way() {
    let model = in_halves();
    let asked = guided(&model, &[]);
    let alone = latents(&model, &asked);
    let halves = block_on(async {
        let mut run = model.start(&asked).await.expect("a run");
        run.step().await.expect("a step");
        let halves = pair(&model, unet(), usize::MAX, Trouble::Fails);
        while !run.is_done() {
            run.step().await.expect("a step");
        }
        assert_eq!(run.latents().await.expect("latents"), alone);
        halves
    });
    assert_eq!(halves.borrow().len(), 3);
}

#[test]
fn only_guided_steps_ask_a_partner_and_nobody_is_told_that_memory_is_short() {
    let model = in_halves();
    let halves = pair(&model, unet(), usize::MAX, Trouble::Fails);
    latents(&model, &guided(&model, &[("guidanceScale", Field::Number(1.0))]));
    assert_eq!(halves.borrow().len(), 0);
    let interval = guided(&model, &[("guidanceInterval", Field::Numbers(vec![0.5, 5.0]))]);
    latents(&model, &interval);
    let some = halves.borrow().len();
    assert!((1..4).contains(&some), "{some} of four steps are guided");
    let run = block_on(model.start(&interval)).expect("a run");
    assert_eq!(run.warnings(), [] as [String; 0]);
}

#[test]
fn a_unet_alone_needs_its_own_shards_and_takes_what_fits() {
    let missing = block_on(loader(Some("text_encoder")).finish_evaluator()).err();
    assert_eq!(missing.map(|error| error.code()), Some("missing-shard"));
    let unet = unet();
    let side = model().limits().size_multiple;
    let half = Half {
        sample: vec![0.0; 3],
        timesteps: vec![1.0; 32],
        step: 0,
        encoder_hidden_states: vec![0.0],
        width: side,
        height: side,
    };
    let refused = block_on(unet.evaluate(&half)).err();
    assert_eq!(refused.map(|error| error.code()), Some("shape-mismatch"));
}
