/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arbiter/raft_codec.h"
#include "wire/limits.h"

static const struct raft_frame frame = {
    .entry_format = 3, .term = 7, .nonce = 123456789, .echo_term = 6, .echo_nonce = 42};

struct bytes {
    uint8_t at[8192];
    size_t len;
};

static struct bytes encoded(const struct raft_message *m)
{
    struct bytes b = {.len = 0};
    assert_int_equal(raft_codec_encode(&frame, m, b.at, sizeof b.at, &b.len), 0);
    return b;
}

static int decode(const struct bytes *b, size_t len, struct raft_message *ret_message)
{
    struct raft_frame f;
    /* A block of exactly that size, so that a sanitizer sees every read beyond it. */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    int err;
    assert_non_null(copy);
    memcpy(copy, b->at, len);
    err = raft_codec_decode(copy, len, &f, ret_message);
    free(copy);
    if (err == 0)
        assert_memory_equal(&f, &frame, sizeof f);
    return err;
}

/* Decodes, encodes again, compares, and refuses every truncation and an extra byte. */
static void round_trip(const struct raft_message *m)
{
    struct bytes b = encoded(m), again;
    struct raft_message out;
    assert_int_equal(decode(&b, b.len, &out), 0);
    assert_int_equal(out.type, m->type);
    again = encoded(&out);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.at, b.at, b.len);
    raft_codec_release(&out);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(decode(&b, len, &out), ERR_FORMAT);
    b.at[b.len++] = 0;
    assert_int_equal(decode(&b, b.len, &out), ERR_FORMAT);
    for (size_t size = 0; size < again.len; size++)
        assert_int_equal(raft_codec_encode(&frame, m, b.at, size, &b.len), ERR_FULL);
}

static struct raft_configuration configuration(unsigned n)
{
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    for (unsigned i = 0; i < n; i++) {
        char address[8] = {(char)('a' + i)};
        assert_int_equal(
            raft_configuration_add(&conf, i + 1, address, i < 3 ? RAFT_VOTER : RAFT_STANDBY), 0);
    }
    return conf;
}

static void test_messages_without_memory(void **state)
{
    struct raft_message vote = {.type = RAFT_REQUEST_VOTE,
                                .request_vote = {2, 8, 3, 100, 7, true, false}};
    struct raft_message vote_result = {.type = RAFT_REQUEST_VOTE_RESULT,
                                       .request_vote_result = {2, 8, true, true, 1, 4096}};
    struct raft_message result = {.type = RAFT_APPEND_ENTRIES_RESULT,
                                  .append_entries_result = {2, 8, 0, 99, 1, 4096}};
    struct raft_message timeout_now = {.type = RAFT_TIMEOUT_NOW, .timeout_now = {0, 8, 99, 7}};
    (void)state;
    round_trip(&vote);
    round_trip(&vote_result);
    round_trip(&result);
    round_trip(&timeout_now);
}

static void test_append_entries(void **state)
{
    char command[] = "commands", barrier[] = "barriers";
    struct raft_configuration conf = configuration(5);
    struct raft_entry e[3] = {{.term = 6, .type = RAFT_COMMAND, .buf = {command, 8}},
                              {.term = 7, .type = RAFT_BARRIER, .buf = {barrier, 8}},
                              {.term = 7, .type = RAFT_CHANGE}};
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES, .append_entries = {0, 7, 10, 6, 9, e, 3}};
    struct raft_message out;
    struct bytes b;
    (void)state;
    assert_int_equal(raft_configuration_encode(&conf, &e[2].buf), 0);
    round_trip(&m);
    b = encoded(&m);
    assert_int_equal(decode(&b, b.len, &out), 0);
    assert_int_equal(out.append_entries.n_entries, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(out.append_entries.entries[i].buf.len, e[i].buf.len);
        assert_memory_equal(out.append_entries.entries[i].buf.base, e[i].buf.base, e[i].buf.len);
        /* libraft releases the memory of all entries by the first one's batch. */
        assert_ptr_equal(out.append_entries.entries[i].batch,
                         out.append_entries.entries[0].buf.base);
    }
    raft_codec_release(&out);
    m.append_entries.n_entries = 0;
    round_trip(&m);
    raft_free(e[2].buf.base);
    raft_configuration_close(&conf);
}

static void test_install_snapshot(void **state)
{
    char snapshot[] = "the state";
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT,
                             .install_snapshot = {0, 7, 50, 6, configuration(5), 1, {snapshot, 9}}};
    struct raft_message out;
    struct bytes b;
    (void)state;
    round_trip(&m);
    b = encoded(&m);
    assert_int_equal(decode(&b, b.len, &out), 0);
    assert_int_equal(out.install_snapshot.conf.n, 5);
    assert_int_equal(out.install_snapshot.conf.servers[4].role, RAFT_STANDBY);
    assert_string_equal(out.install_snapshot.conf.servers[4].address, "e");
    assert_memory_equal(out.install_snapshot.data.base, "the state", 9);
    raft_codec_release(&out);
    raft_configuration_close(&m.install_snapshot.conf);
}

static void refused(struct raft_message m)
{
    struct bytes b = encoded(&m);
    struct raft_message out;
    assert_int_equal(decode(&b, b.len, &out), ERR_FORMAT);
}

/* Each of these would end the process inside libraft, by an assertion or worse. */
static void test_what_libraft_only_asserts_is_refused(void **state)
{
    char command[] = "commands";
    uint8_t bad_conf[24] = {1, 255, 255, 255, 255, 255, 255, 255, 255};
    struct raft_entry e = {.term = 7, .type = RAFT_COMMAND, .buf = {command, 8}};
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES,
                             .append_entries = {0, 7, 10, 6, 9, &e, 1}};
    struct raft_message out, n = m;
    struct bytes b = encoded(&m);
    (void)state;
    assert_int_equal(decode(&b, b.len, &out), 0);
    raft_codec_release(&out);

    n.append_entries.prev_log_term = 0;
    refused(n);
    n.append_entries.prev_log_index = 0;
    n.append_entries.prev_log_term = 6;
    refused(n);
    n = m;
    n.append_entries.term = 0;
    refused(n);
    n = m;
    n.append_entries.prev_log_index = UINT64_MAX;
    refused(n);
    e.buf.len = 7;
    refused(m);
    e.buf.len = 0;
    refused(m);
    e.buf.len = 8;
    e.type = (enum raft_entry_type)4;
    refused(m);
    e.type = RAFT_COMMAND;
    e.term = 8; /* newer than the leader */
    refused(m);
    e.term = 5; /* older than the entry before it */
    refused(m);
    e.term = 7;
    e.type = RAFT_CHANGE;
    refused(m);
    e.buf = (struct raft_buffer){bad_conf, sizeof bad_conf};
    refused(m);
    memset(bad_conf + 1, 0, 8);
    refused(m);
    bad_conf[1] = 1; /* one server, but its address does not end */
    bad_conf[9] = 1;
    memset(bad_conf + 17, 'a', 7);
    refused(m);

    out = (struct raft_message){.type = RAFT_REQUEST_VOTE_RESULT,
                                .request_vote_result = {1, 8, true, true, 1, 0}};
    refused(out);
}

static void test_bad_snapshots_are_refused(void **state)
{
    char snapshot[] = "the state";
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT,
                             .install_snapshot = {0, 7, 50, 6, configuration(2), 1, {snapshot, 9}}};
    struct raft_message n = m;
    char *address = m.install_snapshot.conf.servers[1].address;
    (void)state;
    n.install_snapshot.last_index = 0;
    refused(n);
    n = m;
    n.install_snapshot.last_term = 0;
    refused(n);
    n.install_snapshot.last_term = 8;
    refused(n);
    n = m;
    n.install_snapshot.conf_index = 51;
    refused(n);
    n = m;
    n.install_snapshot.data.len = 0;
    refused(n);
    n = m;
    n.install_snapshot.conf.n = 0;
    refused(n);
    m.install_snapshot.conf.servers[1].id = 1; /* twice the same */
    refused(m);
    m.install_snapshot.conf.servers[1].id = NODES_MAX + 1;
    refused(m);
    m.install_snapshot.conf.servers[1].id = 2;
    address[0] = 'a'; /* twice the same */
    refused(m);
    raft_configuration_close(&m.install_snapshot.conf);
}

static void test_other_layouts_and_kinds(void **state)
{
    struct raft_message m = {.type = RAFT_TIMEOUT_NOW, .timeout_now = {0, 8, 99, 7}}, out;
    struct bytes b = encoded(&m);
    (void)state;
    b.at[0]++;
    assert_int_equal(decode(&b, b.len, &out), ERR_VERSION);
    b.at[0]--;
    b.at[35] = 7;
    assert_int_equal(decode(&b, b.len, &out), ERR_FORMAT);
    m.type = (enum raft_message_type)7;
    assert_int_equal(raft_codec_encode(&frame, &m, b.at, sizeof b.at, &b.len), ERR_UNSUPPORTED);
}

static void test_the_field_that_libraft_leaves_unset(void **state)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT,
                             .append_entries_result = {2, 8, 3, UINT64_MAX, 1, 4096}};
    struct bytes b = encoded(&m);
    struct raft_message out;
    (void)state;
    /* The leader of an older term must get it: it learns from it that there is a newer one. */
    assert_int_equal(decode(&b, b.len, &out), 0);
    assert_int_equal(out.append_entries_result.last_log_index, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_without_memory),
        cmocka_unit_test(test_append_entries),
        cmocka_unit_test(test_install_snapshot),
        cmocka_unit_test(test_what_libraft_only_asserts_is_refused),
        cmocka_unit_test(test_bad_snapshots_are_refused),
        cmocka_unit_test(test_other_layouts_and_kinds),
        cmocka_unit_test(test_the_field_that_libraft_leaves_unset),
    };
    return cmocka_run_group_tests_name("raft_codec", tests, NULL, NULL);
}
