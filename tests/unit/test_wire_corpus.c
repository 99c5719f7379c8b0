/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seeds of the fuzz targets of record, entry, report, request and answer are the samples as the
 * encoders write them today. A format that changes makes this test fail, since the bytes are a
 * promise to other versions; where that is meant, `TANDEM_WRITE_CORPUS=1 test_wire_corpus` writes
 * the files again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/pair_state.h"
#include "wire_samples.h"

static void compare(FILE *f, const char *path, const uint8_t *bytes, size_t len)
{
    static uint8_t have[RECORD_BYTES_MAX + 1];
    size_t n = fread(have, 1, sizeof have, f);
    if (n != len || memcmp(have, bytes, len) != 0)
        fail_msg("%s differs from what is encoded now", path);
}

static void seed(const char *target, const char *name, const uint8_t *bytes, size_t len)
{
    bool write = getenv("TANDEM_WRITE_CORPUS") != NULL;
    char path[512];
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/%s/%s", FUZZ_CORPUS, target, name);
    f = fopen(path, write ? "we" : "re");
    if (f == NULL)
        fail_msg("%s cannot be opened", path);
    if (write)
        assert_int_equal(fwrite(bytes, 1, len, f), len);
    else
        compare(f, path, bytes, len);
    assert_int_equal(fclose(f), 0);
}

static void test_record(void **state)
{
    static uint8_t buf[RECORD_BYTES_MAX];
    static struct record r;
    size_t len = 0;
    (void)state;
    record_init(&r);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    seed("record", "empty", buf, len);
    sample_record(&r);
    assert_int_equal(record_encode(&r, buf, sizeof buf, &len), 0);
    seed("record", "sample", buf, len);
}

static void test_pair_state(void **state)
{
    static uint8_t buf[PAIR_BYTES_MAX];
    static struct pair_state s;
    static struct pair_message m;
    size_t len = 0;
    (void)state;
    sample_record(&s.record);
    s.stamp = (struct pair_stamp){s.record.epoch, 8, 21};
    s.term = 9;
    assert_int_equal(pair_state_encode(&s, buf, sizeof buf, &len), 0);
    seed("pair_state", "disk", buf, len);
    m = (struct pair_message){.term = 9,
                              .leads = true,
                              .leads_term = 9,
                              .fit = true,
                              .stamp = s.stamp,
                              .nonce = 1234567890,
                              .echo = 987654321};
    assert_int_equal(pair_message_encode(&m, buf, sizeof buf, &len), 0);
    seed("pair_state", "message", buf, len);
    m.has_record = true;
    m.record = s.record;
    assert_int_equal(pair_message_encode(&m, buf, sizeof buf, &len), 0);
    seed("pair_state", "record", buf, len);
}

static void test_entry(void **state)
{
    uint8_t buf[ENTRY_BYTES_MAX];
    struct entry e;
    size_t len = 0;
    (void)state;
    for (int kind = 0; kind < ENTRY_COUNT; kind++) {
        sample_entry(&e, kind);
        assert_int_equal(entry_encode(&e, buf, sizeof buf, &len), 0);
        seed("entry", entry_kind_text(kind), buf, len);
    }
}

static void test_messages(void **state)
{
    uint8_t buf[32768];
    struct report report;
    struct request request;
    struct answer answer;
    struct codec c = codec_encoder(buf, sizeof buf);
    (void)state;
    sample_report(&report);
    report_codec(&c, &report);
    assert_int_equal(codec_finish(&c), 0);
    seed("report", "sample", buf, codec_used(&c));
    c = codec_encoder(buf, sizeof buf);
    sample_request(&request);
    request_codec(&c, &request);
    assert_int_equal(codec_finish(&c), 0);
    seed("request", "attach", buf, codec_used(&c));
    c = codec_encoder(buf, sizeof buf);
    sample_answer(&answer);
    answer_codec(&c, &answer);
    assert_int_equal(codec_finish(&c), 0);
    seed("answer", "attach", buf, codec_used(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_pair_state),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests_name("wire_corpus", tests, NULL, NULL);
}
