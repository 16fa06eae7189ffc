//! Latents to the values of a picture: whole, or in tiles where the device has no room for that.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::ports::{input, output};
use super::sampling::term;
use super::tiles::{Piece, places, smaller};
use crate::error::{Error, Result};
use crate::executor::{Command, Executor};
use crate::model::{self, AutoencoderConfig, AutoencoderRequest};

/// Plans by height and width of the tiles that there are: those at the right and lower edge may be smaller.
type TilePlans<P> = Vec<([usize; 2], Rc<P>)>;

/// The decoder of an autoencoder on a device, for pictures of one size.
pub struct Decoder<E: Executor> {
    executor: Rc<E>,
    config: AutoencoderConfig,
    weights: Rc<E::Weights>,
    /// Of the latents.
    height: usize,
    width: usize,
    /// Latents along a side of a tile; the longer side of the picture where that is decoded whole.
    tile: Cell<usize>,
    plans: RefCell<TilePlans<E::Plan>>,
}

impl<E: Executor> Decoder<E> {
    /// Prepares a decoder for latents `[1, height, width, C]`: whole if the device has room for that, else in the largest
    /// tiles that it has room for.
    ///
    /// Errors: [`Error::OutOfMemory`] if it has none for the smallest either; all of [`Executor::plan`].
    pub async fn new(
        executor: Rc<E>,
        config: AutoencoderConfig,
        weights: Rc<E::Weights>,
        [height, width]: [usize; 2],
    ) -> Result<Self> {
        let (tile, plans) = (Cell::new(height.max(width)), RefCell::default());
        let decoder = Self { executor, config, weights, height, width, tile, plans };
        decoder.prepare().await?;
        Ok(decoder)
    }

    /// Pixels along a side of a tile; `None` where pictures are decoded whole.
    pub fn tile(&self) -> Option<usize> {
        let tile = self.tile.get();
        (tile < self.height.max(self.width)).then(|| tile * self.config.vae_scale_factor())
    }

    /// `sample [1, H, W, C]` of `latents [1, h, w, C]`. If memory turns out to be short, in smaller tiles than before.
    ///
    /// Errors: as for [`Decoder::new`]; the device fails.
    pub async fn decode(&self, latents: &E::Tensor) -> Result<Vec<f32>> {
        loop {
            let decoded = match self.tile() {
                None => self.decode_whole(latents).await,
                Some(_) => self.decode_in_tiles(latents).await,
            };
            match decoded {
                Err(error) if error.is_shortage() => self.shrink(&error)?,
                decoded => return decoded,
            }
        }
    }

    /// Plans tiles of the largest size that there is room for.
    async fn prepare(&self) -> Result<()> {
        loop {
            let tile = self.tile.get();
            match self.plan([tile.min(self.height), tile.min(self.width)]).await {
                Err(error) if error.is_shortage() => self.shrink(&error)?,
                planned => return planned.map(drop),
            }
        }
    }

    /// Gives back what was planned, and goes on to smaller tiles.
    fn shrink(&self, shortage: &Error) -> Result<()> {
        self.plans.take();
        match smaller(self.tile.get()) {
            Some(tile) => {
                self.tile.set(tile);
                Ok(())
            }
            None => Err(self.exhausted(shortage)),
        }
    }

    fn exhausted(&self, shortage: &Error) -> Error {
        let scale = self.config.vae_scale_factor();
        let mut tried = String::new();
        let mut tile = self.height.max(self.width);
        while let Some(next) = smaller(tile) {
            let between = if tried.is_empty() { "nor in tiles of " } else { ", " };
            tried.push_str(&format!("{between}{}", next * scale));
            tile = next;
        }
        let in_tiles =
            if tried.is_empty() { "and is too small for tiles".to_owned() } else { tried + " pixels" };
        let (width, height) = (self.width * scale, self.height * scale);
        let message =
            format!("a picture of {width} x {height} pixels cannot be decoded whole, {in_tiles}: {shortage}");
        Error::OutOfMemory { message }
    }

    /// The plan of a tile, made at its first use.
    async fn plan(&self, size: [usize; 2]) -> Result<Rc<E::Plan>> {
        let made = self.plans.borrow().iter().find(|(of, _)| *of == size).map(|(_, plan)| plan.clone());
        if let Some(plan) = made {
            return Ok(plan);
        }
        let request = AutoencoderRequest { batch: 1, height: size[0], width: size[1] };
        let graph = model::decoder(&self.config, &request)?;
        let plan = Rc::new(self.executor.plan(&graph, &self.weights).await?);
        self.plans.borrow_mut().push((size, plan.clone()));
        Ok(plan)
    }

    async fn decode_whole(&self, latents: &E::Tensor) -> Result<Vec<f32>> {
        let (executor, plan) = (self.executor.as_ref(), self.plan([self.height, self.width]).await?);
        let plan = plan.as_ref();
        let commands = [
            Command::Combine {
                out: input::<E>(executor, plan, "latents"),
                offset: 0,
                len: self.height * self.width * self.config.latent_channels(),
                terms: vec![term(1.0, latents, 0)],
            },
            Command::Evaluate(plan),
        ];
        executor.submit_in_pieces(&commands).await?;
        executor.read(output::<E>(executor, plan, "sample")).await
    }

    async fn decode_in_tiles(&self, latents: &E::Tensor) -> Result<Vec<f32>> {
        let (tile, scale) = (self.tile.get(), self.config.vae_scale_factor());
        let latents = Piece {
            height: self.height,
            width: self.width,
            channels: self.config.latent_channels(),
            values: self.executor.read(latents).await?,
        };
        let mut picture = Piece::zeros(scale * self.height, scale * self.width, self.config.out_channels());
        // Tiles overlap by a quarter; of each, the rest is shown, and the overlap by those that come after.
        let overlap = scale * tile / 4;
        let shown = scale * tile - overlap;
        let mut above: Vec<Piece> = Vec::new();
        for (top, height) in places(self.height, tile) {
            let mut row: Vec<Piece> = Vec::new();
            for (left, width) in places(self.width, tile) {
                let mut decoded = self.decode_tile(&latents.part([top, left], [height, width])).await?;
                if let Some(above) = above.get(row.len()) {
                    decoded.fade_from_above(above, overlap);
                }
                if let Some(left) = row.last() {
                    decoded.fade_from_left(left, overlap);
                }
                let size = [shown.min(decoded.height), shown.min(decoded.width)];
                picture.place(&decoded, [scale * top, scale * left], size);
                row.push(decoded);
            }
            above = row;
        }
        Ok(picture.values)
    }

    async fn decode_tile(&self, latents: &Piece) -> Result<Piece> {
        let (executor, scale) = (self.executor.as_ref(), self.config.vae_scale_factor());
        let plan = self.plan([latents.height, latents.width]).await?;
        let plan = plan.as_ref();
        executor.write(input::<E>(executor, plan, "latents"), &latents.values)?;
        executor.submit_in_pieces(&[Command::Evaluate(plan)]).await?;
        Ok(Piece {
            height: scale * latents.height,
            width: scale * latents.width,
            channels: self.config.out_channels(),
            values: executor.read(output::<E>(executor, plan, "sample")).await?,
        })
    }
}
