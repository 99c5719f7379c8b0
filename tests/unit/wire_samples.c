/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_samples.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TEXT(field, text) ((void)snprintf(field, sizeof(field), "%s", text))

static void sample_run(struct incarnation *i)
{
    memset(i, 0, sizeof *i);
    for (unsigned k = 0; k < sizeof i->boot_id; k++)
        i->boot_id[k] = (uint8_t)(0x10 + k);
    i->pid = 4711;
    i->start_ticks = 0x0102030405060708;
}

static void sample_replication(struct server_facts *f)
{
    f->channel = true;
    TEXT(f->source_host, "172.17.0.10");
    f->source_port = 3306;
    f->io = THREAD_RUNNING;
    f->sql = THREAD_RUNNING;
    f->io_errno = 2003;
    f->sql_errno = 1062;
    f->lag_s = -1;
    f->drained = true;
    f->foreign_channels = true;
}

void sample_facts(struct server_facts *f)
{
    memset(f, 0, sizeof *f);
    f->flavour = SERVER_MYSQL;
    f->version = 90704;
    TEXT(f->version_text, "9.7.4");
    f->server_id = 2;
    TEXT(f->server_uuid, "22222222-2222-2222-2222-222222222222");
    f->read_only = true;
    f->source_side = true;
    f->after_sync = true;
    f->wait_no_replica = true;
    f->timeout_infinite = true;
    f->wait_count = 1;
    f->clients = 3;
    f->wait_sessions = 4;
    f->replica_side = true;
    f->replica_side_active = true;
    sample_replication(f);
    f->settings = SETTING_ROW | SETTING_ENGINE;
    f->events_on = true;
    f->xa_prepared = 5;
    TEXT(f->executed, "11111111-1111-1111-1111-111111111111:1-100");
    TEXT(f->received, "11111111-1111-1111-1111-111111111111:1-102");
    TEXT(f->applied, "11111111-1111-1111-1111-111111111111:1-99");
    TEXT(f->error, "Duplicate entry '7' for key 'PRIMARY'");
}

void sample_report(struct report *r)
{
    memset(r, 0, sizeof *r);
    r->seq = 7;
    r->facts_age_ms = 1500;
    r->host = (struct host_facts){.known = true,
                                  .judged = HOST_REALTIME | HOST_DEVICE | HOST_CERTIFICATE,
                                  .wrong = HOST_DEVICE,
                                  .devices = 2,
                                  .data_size_mb = 900,
                                  .data_free_mb = 300,
                                  .state_size_mb = 90,
                                  .state_free_mb = 30,
                                  .certificate_days = -3,
                                  .ca_days = 3000};
    r->wall_ms = 1700000000123;
    r->starts = (struct starts){
        .failed = 6, .blame = STARTS_BLAME_DATA, .line = "InnoDB: Invalid log header checksum"};
    r->other_arbiters = 0x04;
    r->term = 8;
    r->leader = 1;
    r->epoch = 6;
    r->version = 40;
    r->config_digest = 0xfedcba9876543210;
    TEXT(r->agent_version, "0.1.0");
    r->health = HEALTH_STALLED;
    r->eligible = ELIGIBLE_MEMBER;
    TEXT(r->ineligible_why, "not in the in-sync set");
    sample_run(&r->incarnation);
    r->ended_cleanly = true;
    r->settled = true;
    r->open = true;
    r->lease_ms = 812;
    r->vips = 3;
    r->link_up = true;
    r->reaches = 0x0b;
    TEXT(r->phase, "handing over");
    TEXT(r->trouble, "slow disk under the log");
    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        r->verdict[i].rule = (uint16_t)(10 * (i + 1));
        r->verdict[i].facts = 1u << i;
    }
    sample_facts(&r->facts);
    r->clone.state = CLONE_RECEIVING;
    r->clone.peer = 2;
    r->clone.bytes = 5u << 20;
    r->clone.bytes_total = 40u << 20;
    r->clone.rate_kib = 2048;
    TEXT(r->clone.position, "0-1-7");
    TEXT(r->clone.error, "the other node is silent");
}

void sample_command(struct command *m)
{
    memset(m, 0, sizeof *m);
    m->id = 99;
    m->origin = 4;
    m->kind = COMMAND_FAILOVER;
    m->node = 1;
    m->flag = true;
}

void sample_reply(struct reply *r)
{
    memset(r, 0, sizeof *r);
    r->id = 99;
    r->origin = 4;
    r->ok = true;
    TEXT(r->text, "switchover to m2 ordered");
}

void sample_request(struct request *r)
{
    memset(r, 0, sizeof *r);
    r->term = 8;
    r->id = 21;
    r->job.kind = JOB_ATTACH;
    r->job.flag = true;
    r->job.events = true;
    r->job.count = 2;
    r->job.timeout_ms = 2000;
    TEXT(r->job.host, "172.17.0.11");
    r->job.port = 3306;
    r->job.epoch = 6;
    r->job.rule = 110;
    TEXT(r->job.gtid, "0-1-100,0-2-150");
    TEXT(r->job.gtid2, "0-2-151");
}

void sample_answer(struct answer *a)
{
    memset(a, 0, sizeof *a);
    a->term = 8;
    a->id = 21;
    a->kind = JOB_ATTACH;
    a->result.outcome = JOB_REFUSED;
    a->result.sql_errno = 1236;
    a->result.count = 12;
    a->result.evidence = 7;
    TEXT(a->result.detail, "hole: a later transaction is in the seal");
    TEXT(a->result.path, "/var/lib/tandem/salvage/m1-6");
    sample_run(&a->incarnation);
    sample_facts(&a->facts);
}

static void sample_history(struct history *h)
{
    memset(h, 0, sizeof *h);
    TEXT(h->kind, "takeover");
    TEXT(h->outcome, "done");
    h->term = 8;
    h->wall_ms = 1767225600123;
    h->took_us = 12345;
    h->from = 0;
    h->to = 1;
    h->rule = 120;
    TEXT(h->table, "lead");
    TEXT(h->why, "self-member, writer-asked, backs-left");
    h->n_steps = 2;
    TEXT(h->steps[0].name, "seal");
    h->steps[0].took_us = 700;
    h->steps[0].node = 1;
    TEXT(h->steps[1].name, "drain");
    TEXT(h->steps[1].note, "waited");
    h->steps[1].at_us = 700;
    h->steps[1].took_us = 900;
    h->steps[1].node = 1;
}

void sample_entry(struct entry *e, int kind)
{
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->version = 3;
    e->node = 1;
    e->epoch = 8;
    e->flag = true;
    e->mask = 5;
    e->set = NODE_QUARANTINED;
    e->clear = NODE_FORMER;
    sample_run(&e->incarnation);
    TEXT(e->text, "0-1-100,0-2-150");
    if (kind == ENTRY_HISTORY)
        sample_history(&e->history);
}

static void sample_apply(struct record *r, struct entry *e)
{
    int err;
    e->version = r->version;
    err = record_apply(r, e);
    assert(err == 0);
    (void)err;
}

void sample_record(struct record *r)
{
    struct entry e;
    record_init(r);
    sample_entry(&e, ENTRY_PROMOTE);
    e.node = 0;
    e.epoch = 3;
    sample_apply(r, &e);
    sample_entry(&e, ENTRY_PROMOTE);
    sample_apply(r, &e);
    sample_entry(&e, ENTRY_GROW);
    e.node = 0;
    sample_apply(r, &e);
    sample_entry(&e, ENTRY_FLAGS);
    e.node = 2;
    sample_apply(r, &e);
    sample_entry(&e, ENTRY_HANDOVER);
    e.node = 0;
    sample_apply(r, &e);
    sample_entry(&e, ENTRY_PAUSE);
    sample_apply(r, &e);
    sample_entry(&e, ENTRY_HISTORY);
    sample_apply(r, &e);
}
