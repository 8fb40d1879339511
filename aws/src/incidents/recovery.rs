//! What a completed job can end.

use aws_sdk_dynamodb::error::SdkError;
use guardian_core::incident::{self, IncidentId, Lane, Moment, Success};
use guardian_core::ports::{Happened, PortError, Recoveries};
use jiff::Timestamp;

use super::items::{expiring, item, key, read_json};
use super::{Place, WorkTable, happened};
use crate::classify::port_error;
use crate::item::{Item, millis, number, read_str, read_time, string};

const QUERY: &str = "dynamodb:Query";

fn good_key(route: &Lane, resource: &str) -> Item {
    key(format!("good#{}", route.route_id()), incident::name_of(resource))
}

impl WorkTable {
    /// All items of a partition, strongly consistent.
    pub(super) async fn partition(&self, pk: String, beginning: Option<&str>) -> Result<Vec<Item>, PortError> {
        let mut query = self.client.query().table_name(&self.table).consistent_read(true).expression_attribute_values(":pk", string(pk));
        query = match beginning {
            Some(beginning) => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :beginning)")
                .expression_attribute_values(":beginning", string(beginning)),
            None => query.key_condition_expression("pk = :pk"),
        };
        let mut pages = query.into_paginator().send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            items.extend(page.map_err(|error| port_error(QUERY, &error))?.items.unwrap_or_default());
        }
        Ok(items)
    }
}

impl Recoveries for WorkTable {
    async fn lanes(&self, route: &Lane) -> Result<Vec<(IncidentId, Lane)>, PortError> {
        let items = self.partition(format!("lanes#{}", route.route_id()), None).await?;
        Ok(items.iter().filter_map(|item| Some((IncidentId::from_kept(read_str(item, "incident")?), read_json(item, "lane")?))).collect())
    }

    async fn complete(&self, id: &IncidentId, lane: &Lane, success: &Success, moment: &Moment) -> Result<Option<Happened>, PortError> {
        let place = Place { id, lane: Some((lane, &success.resource)), job: None, deed: None };
        let answer = self.change(place, moment.now, |view| Some(incident::completed(view, success, moment))).await?;
        if let Some(incident) = answer.as_ref().and_then(|(view, _)| view.incident.as_ref())
            && !incident.is_open()
        {
            // The next job in this route need not look at it.
            self.forget_lane(id, lane, incident.opening).await?;
        }
        Ok(answer.and_then(happened))
    }

    async fn keep_good(&self, success: &Success, at: Timestamp) -> Result<(), PortError> {
        let kept = expiring(item(good_key(&success.lane, &success.resource), [("at", millis(at))]), at);
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(kept))
            .condition_expression("attribute_not_exists(pk) OR #at < :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", millis(at))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(port_error("dynamodb:PutItem", &error)),
        }
    }

    async fn last_good(&self, route: &Lane, resource: &str) -> Result<Option<Timestamp>, PortError> {
        let items = self.read(vec![good_key(route, resource)]).await?;
        Ok(items.first().and_then(|item| read_time(item, "at")))
    }
}

impl WorkTable {
    /// Takes a lane of an opening that is over from the list of its route. One of a later opening stays.
    async fn forget_lane(&self, id: &IncidentId, lane: &Lane, opening: u32) -> Result<(), PortError> {
        let listed = key(format!("lanes#{}", lane.route_id()), format!("{id}#{}", lane.id()));
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(listed))
            .condition_expression("opening = :opening")
            .expression_attribute_values(":opening", number(opening))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(port_error("dynamodb:DeleteItem", &error)),
        }
    }
}
