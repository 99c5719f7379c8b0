/* SPDX-License-Identifier: Apache-2.0 */
/* One filled value of each message between agents and of each entry of the log, for round trips and
 * as seeds of the fuzz targets. Every byte is defined, padding included; no field is zero. */
#ifndef TANDEM_TESTS_UNIT_WIRE_SAMPLES_H
#define TANDEM_TESTS_UNIT_WIRE_SAMPLES_H

#include "wire/job.h"
#include "wire/record.h"
#include "wire/report.h"

void sample_facts(struct server_facts *f);
void sample_report(struct report *r);
void sample_command(struct command *m);
void sample_reply(struct reply *r);
void sample_request(struct request *r);
void sample_answer(struct answer *a);
void sample_entry(struct entry *e, int kind);
/* A record with two promotions, a member and a timeline. */
void sample_record(struct record *r);

#endif
