/* SPDX-License-Identifier: Apache-2.0 */
#include "arbiter/raft_codec.h"

#include <assert.h>
#include <string.h>

#include "util/codec.h"
#include "wire/limits.h"

#define INDEX_MAX (UINT64_C(1) << 48)
#define ADDRESS_MAX 64
#define SNAPSHOT_MAX (1u << 20)
#define ENTRY_BYTES_MAX (1u << 20)

/* libraft's integers are unsigned long long, which is another type than uint64_t. */
static void walk_number(struct codec *c, unsigned long long *v)
{
    uint64_t w = *v;
    codec_u64(c, &w);
    *v = w;
}

static void fail(struct codec *c, int err)
{
    if (c->err == 0)
        c->err = err;
}

/* A value that no correct sender produces. */
static void demand(struct codec *c, bool holds)
{
    if (!c->encode && !holds)
        fail(c, ERR_FORMAT);
}

static void walk_request_vote(struct codec *c, struct raft_request_vote *m)
{
    codec_u8(c, &m->version);
    walk_number(c, &m->term);
    walk_number(c, &m->candidate_id);
    walk_number(c, &m->last_log_index);
    walk_number(c, &m->last_log_term);
    codec_bool(c, &m->disrupt_leader);
    codec_bool(c, &m->pre_vote);
    demand(c, m->term > 0 && m->last_log_index < INDEX_MAX);
}

static void walk_request_vote_result(struct codec *c, struct raft_request_vote_result *m)
{
    codec_u8(c, &m->version);
    walk_number(c, &m->term);
    codec_bool(c, &m->vote_granted);
    codec_bool(c, &m->pre_vote);
    codec_u16(c, &m->features);
    codec_u16(c, &m->capacity);
    /* Since version 2 results say whether they answer a pre-vote; libraft counts older ones twice.
     */
    demand(c, m->version >= 2);
}

static void walk_append_entries_result(struct codec *c, struct raft_append_entries_result *m)
{
    /* libraft leaves it unset when it answers a leader of an older term. */
    if (c->encode && m->last_log_index >= INDEX_MAX)
        m->last_log_index = 0;
    codec_u8(c, &m->version);
    walk_number(c, &m->term);
    walk_number(c, &m->rejected);
    walk_number(c, &m->last_log_index);
    codec_u16(c, &m->features);
    codec_u16(c, &m->capacity);
    demand(c, m->rejected < INDEX_MAX && m->last_log_index < INDEX_MAX);
}

static void walk_timeout_now(struct codec *c, struct raft_timeout_now *m)
{
    codec_u8(c, &m->version);
    walk_number(c, &m->term);
    walk_number(c, &m->last_log_index);
    walk_number(c, &m->last_log_term);
    demand(c, m->term > 0);
}

/* Reads a configuration as libraft encodes it, bounds only: libraft's decoder has none. */
static bool configuration_fits(const struct raft_buffer *buf)
{
    struct codec c = codec_decoder(buf->base, buf->len);
    uint8_t byte = 0;
    uint64_t n = 0, id = 0;
    codec_u8(&c, &byte);
    codec_u64(&c, &n);
    if (c.err != 0 || n == 0 || n > NODES_MAX)
        return false;
    for (uint64_t i = 0; i < n && c.err == 0; i++) {
        codec_u64(&c, &id);
        if (id == 0 || id > NODES_MAX)
            return false;
        do
            codec_u8(&c, &byte);
        while (c.err == 0 && byte != 0);
        codec_u8(&c, &byte);
    }
    return c.err == 0;
}

static bool configuration_is_valid(const struct raft_buffer *buf)
{
    struct raft_configuration conf;
    if (!configuration_fits(buf) || raft_configuration_decode(buf, &conf) != 0)
        return false;
    raft_configuration_close(&conf);
    return true;
}

static void walk_append_entries_head(struct codec *c, struct raft_append_entries *m)
{
    codec_u8(c, &m->version);
    walk_number(c, &m->term);
    walk_number(c, &m->prev_log_index);
    walk_number(c, &m->prev_log_term);
    walk_number(c, &m->leader_commit);
    codec_count(c, &m->n_entries, RAFT_CODEC_ENTRIES_MAX);
    demand(c, m->term > 0 && m->prev_log_index < INDEX_MAX && m->leader_commit < INDEX_MAX);
    demand(c, (m->prev_log_index == 0) == (m->prev_log_term == 0) && m->prev_log_term <= m->term);
}

static void encode_entries(struct codec *c, const struct raft_append_entries *m)
{
    for (unsigned i = 0; i < m->n_entries; i++) {
        struct raft_entry e = m->entries[i];
        uint8_t type = (uint8_t)e.type;
        uint32_t len = (uint32_t)e.buf.len;
        walk_number(c, &e.term);
        codec_u8(c, &type);
        codec_u32(c, &len);
    }
    for (unsigned i = 0; i < m->n_entries; i++)
        codec_bytes(c, m->entries[i].buf.base, m->entries[i].buf.len);
}

/* Terms, types and lengths; returns the sum of the lengths. */
static size_t decode_entry_heads(struct codec *c, struct raft_append_entries *m)
{
    size_t total = 0;
    uint64_t term = m->prev_log_term;
    for (unsigned i = 0; i < m->n_entries; i++) {
        struct raft_entry *e = &m->entries[i];
        uint8_t type = 0;
        uint32_t len = 0;
        walk_number(c, &e->term);
        codec_u8(c, &type);
        codec_u32(c, &len);
        demand(c, e->term >= term && e->term > 0 && e->term <= m->term);
        demand(c, type >= RAFT_COMMAND && type <= RAFT_CHANGE);
        demand(c, len > 0 && len % 8 == 0 && len <= ENTRY_BYTES_MAX);
        e->type = (enum raft_entry_type)type;
        e->buf.len = len;
        term = e->term;
        total += len;
    }
    return total;
}

static void decode_entry_bodies(struct codec *c, struct raft_append_entries *m, size_t total)
{
    uint8_t *batch;
    if (c->err != 0 || total > (size_t)(c->end - c->at)) {
        fail(c, ERR_FORMAT);
        return;
    }
    batch = raft_malloc(total);
    if (batch == NULL) {
        fail(c, ERR_NOMEM);
        return;
    }
    codec_bytes(c, batch, total);
    for (unsigned i = 0; i < m->n_entries; i++) {
        m->entries[i].batch = batch;
        m->entries[i].buf.base =
            i == 0 ? batch : (uint8_t *)m->entries[i - 1].buf.base + m->entries[i - 1].buf.len;
        if (m->entries[i].type == RAFT_CHANGE)
            demand(c, configuration_is_valid(&m->entries[i].buf));
    }
}

static void decode_append_entries(struct codec *c, struct raft_append_entries *m)
{
    m->entries = NULL;
    walk_append_entries_head(c, m);
    if (c->err != 0 || m->n_entries == 0)
        return;
    m->entries = raft_calloc(m->n_entries, sizeof *m->entries);
    if (m->entries == NULL) {
        fail(c, ERR_NOMEM);
        return;
    }
    decode_entry_bodies(c, m, decode_entry_heads(c, m));
}

static void encode_configuration(struct codec *c, const struct raft_configuration *conf)
{
    unsigned n = conf->n;
    codec_count(c, &n, NODES_MAX);
    for (unsigned i = 0; i < conf->n; i++) {
        struct raft_server s = conf->servers[i];
        int role = s.role;
        walk_number(c, &s.id);
        codec_text(c, s.address, ADDRESS_MAX);
        codec_enum(c, &role, RAFT_SPARE + 1);
    }
}

static void decode_configuration(struct codec *c, struct raft_configuration *conf)
{
    unsigned n = 0;
    codec_count(c, &n, NODES_MAX);
    demand(c, n > 0);
    for (unsigned i = 0; i < n && c->err == 0; i++) {
        unsigned long long id = 0;
        char address[ADDRESS_MAX] = "";
        int role = 0, rv;
        walk_number(c, &id);
        codec_text(c, address, sizeof address);
        codec_enum(c, &role, RAFT_SPARE + 1);
        demand(c, id > 0 && id <= NODES_MAX);
        if (c->err != 0)
            return;
        rv = raft_configuration_add(conf, id, address, role);
        if (rv != 0)
            fail(c, rv == RAFT_NOMEM ? ERR_NOMEM : ERR_FORMAT);
    }
}

static void walk_install_snapshot_head(struct codec *c, struct raft_install_snapshot *m,
                                       uint32_t *len)
{
    codec_u8(c, &m->version);
    walk_number(c, &m->term);
    walk_number(c, &m->last_index);
    walk_number(c, &m->last_term);
    walk_number(c, &m->conf_index);
    codec_u32(c, len);
    demand(c, m->last_index > 0 && m->last_index < INDEX_MAX && m->last_term > 0);
    demand(c, m->term >= m->last_term && m->conf_index > 0 && m->conf_index <= m->last_index);
    demand(c, *len > 0 && *len <= SNAPSHOT_MAX);
}

static void encode_install_snapshot(struct codec *c, struct raft_install_snapshot *m)
{
    uint32_t len = (uint32_t)m->data.len;
    walk_install_snapshot_head(c, m, &len);
    encode_configuration(c, &m->conf);
    codec_bytes(c, m->data.base, m->data.len);
}

static void decode_install_snapshot(struct codec *c, struct raft_install_snapshot *m)
{
    uint32_t len = 0;
    raft_configuration_init(&m->conf);
    m->data.base = NULL;
    walk_install_snapshot_head(c, m, &len);
    decode_configuration(c, &m->conf);
    if (c->err != 0 || len > (size_t)(c->end - c->at)) {
        fail(c, ERR_FORMAT);
        return;
    }
    m->data.base = raft_malloc(len);
    m->data.len = len;
    if (m->data.base == NULL)
        fail(c, ERR_NOMEM);
    else
        codec_bytes(c, m->data.base, len);
}

static void walk_prefix(struct codec *c, struct raft_frame *f)
{
    uint8_t layout = RAFT_CODEC_LAYOUT;
    codec_u8(c, &layout);
    if (layout != RAFT_CODEC_LAYOUT)
        fail(c, ERR_VERSION);
    codec_u16(c, &f->entry_format);
    codec_u64(c, &f->term);
    codec_i64(c, &f->nonce);
    codec_u64(c, &f->echo_term);
    codec_i64(c, &f->echo_nonce);
    demand(c, f->nonce >= 0 && f->echo_nonce >= 0);
}

/* The kinds that need no memory, both ways. */
static void walk_plain(struct codec *c, struct raft_message *m)
{
    switch (m->type) {
    case RAFT_REQUEST_VOTE:
        walk_request_vote(c, &m->request_vote);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        walk_request_vote_result(c, &m->request_vote_result);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        walk_append_entries_result(c, &m->append_entries_result);
        break;
    case RAFT_TIMEOUT_NOW:
        walk_timeout_now(c, &m->timeout_now);
        break;
    case RAFT_APPEND_ENTRIES:
    case RAFT_INSTALL_SNAPSHOT:
        break;
    }
}

int raft_codec_encode(const struct raft_frame *frame, const struct raft_message *message, void *buf,
                      size_t size, size_t *ret_len)
{
    struct codec c = codec_encoder(buf, size);
    struct raft_frame f = *frame;
    struct raft_message m = *message; /* an encoder does not write, but its walks serve both ways */
    uint8_t type = (uint8_t)m.type;
    if (m.type < RAFT_APPEND_ENTRIES || m.type > RAFT_TIMEOUT_NOW)
        return ERR_UNSUPPORTED;
    walk_prefix(&c, &f);
    codec_u8(&c, &type);
    if (m.type == RAFT_APPEND_ENTRIES) {
        if (m.append_entries.n_entries > RAFT_CODEC_ENTRIES_MAX)
            return ERR_FULL;
        walk_append_entries_head(&c, &m.append_entries);
        encode_entries(&c, &m.append_entries);
    } else if (m.type == RAFT_INSTALL_SNAPSHOT) {
        encode_install_snapshot(&c, &m.install_snapshot);
    } else {
        walk_plain(&c, &m);
    }
    if (codec_finish(&c) != 0)
        return codec_finish(&c);
    *ret_len = codec_used(&c);
    return 0;
}

int raft_codec_decode(const void *bytes, size_t len, struct raft_frame *ret_frame,
                      struct raft_message *ret_message)
{
    struct codec c = codec_decoder(bytes, len);
    struct raft_frame f = {0};
    struct raft_message m;
    uint8_t type = 0;
    int err;
    memset(&m, 0, sizeof m);
    walk_prefix(&c, &f);
    codec_u8(&c, &type);
    demand(&c, type >= RAFT_APPEND_ENTRIES && type <= RAFT_TIMEOUT_NOW);
    if (c.err != 0)
        return c.err;
    m.type = (enum raft_message_type)type;
    if (m.type == RAFT_APPEND_ENTRIES)
        decode_append_entries(&c, &m.append_entries);
    else if (m.type == RAFT_INSTALL_SNAPSHOT)
        decode_install_snapshot(&c, &m.install_snapshot);
    else
        walk_plain(&c, &m);
    err = codec_finish(&c);
    if (err != 0) {
        raft_codec_release(&m);
        return err;
    }
    *ret_frame = f;
    *ret_message = m;
    return 0;
}

void raft_codec_release(struct raft_message *m)
{
    if (m->type == RAFT_APPEND_ENTRIES && m->append_entries.entries != NULL) {
        raft_free(m->append_entries.entries[0].batch);
        raft_free(m->append_entries.entries);
        m->append_entries.entries = NULL;
        m->append_entries.n_entries = 0;
    } else if (m->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&m->install_snapshot.conf);
        raft_free(m->install_snapshot.data.base);
        m->install_snapshot.data.base = NULL;
    }
}
