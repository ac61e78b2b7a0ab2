//! What models that are one tower have in common.

/// A model around a [`Tower`](crate::Tower) of its options, with an encoder of that body: `$model` is a struct with the one field
/// `tower`.
macro_rules! tower_model {
    ($model:ident, $options:ty, $body:ident, $name:literal, $about:literal) => {
        impl cloze_train::Model for $model {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const HELP: &'static [(&'static str, &'static str)] = <$options>::HELP;
            const BODY: Option<cloze_encoder::Body> = Some(cloze_encoder::Body::$body);
            type Options = $options;

            fn fit(
                data: &cloze_train::TrainingData<'_>,
                options: &Self::Options,
                run: &mut cloze_train::Run<'_>,
            ) -> Result<Self, cloze_train::TrainError> {
                let mut tower = $crate::Tower::new(options, data.items, run.seed)?;
                tower.train(Self::NAME, data.sequences, data.validation, run)?;
                Ok(Self { tower })
            }

            fn options(&self) -> &Self::Options {
                self.tower.options()
            }

            fn tensors(&self) -> Result<Vec<cloze_train::NamedTensor<'static>>, cloze_train::TrainError> {
                self.tower.tensors("")
            }

            fn load(folder: &cloze_train::ModelFolder) -> Result<Self, cloze_train::TrainError> {
                let options = folder.options(Self::NAME)?;
                Ok(Self {
                    tower: $crate::Tower::load(folder, "", &options, folder.vocabularies.items.len())?,
                })
            }
        }

        impl cloze_eval::Recommender for $model {
            fn name(&self) -> String {
                $name.to_owned()
            }

            fn catalogue(&self) -> usize {
                self.tower.catalogue()
            }

            fn score(
                &mut self,
                queries: &[cloze_eval::Query<'_>],
                scores: &mut [f32],
            ) -> Result<(), cloze_eval::ModelError> {
                $crate::tower::Scorer(&mut self.tower).score(queries, scores)
            }

            fn profiles(
                &mut self,
                queries: &[cloze_eval::Query<'_>],
            ) -> Result<Vec<f32>, cloze_eval::ModelError> {
                $crate::tower::Scorer(&mut self.tower).profiles(queries)
            }
        }
    };
}

pub(crate) use tower_model;

#[cfg(test)]
mod tests {
    use crate::objective::Objective as _;
    use crate::{Bert4Rec, Bert4RecOptions, Gru4Rec, Gru4RecOptions, SasRec, SasRecOptions};
    use cloze_train::Model;

    #[test]
    fn every_model_names_the_body_that_its_encoder_has() {
        assert_eq!(Bert4Rec::BODY, Some(Bert4RecOptions::default().encoder(5).body));
        assert_eq!(SasRec::BODY, Some(SasRecOptions::default().encoder(5).body));
        assert_eq!(Gru4Rec::BODY, Some(Gru4RecOptions::default().encoder(5).body));
    }
}
