"""Reads a topic from its beginning to its end by librdkafka: a JSON object a record on standard output.

Arguments: broker, topic.
"""

import json
import sys

from confluent_kafka import Consumer, TopicPartition

consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "reader", "enable.auto.commit": False, "check.crcs": True})
topic = sys.argv[2]
partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
for number in sorted(partitions):
    place = TopicPartition(topic, number)
    _, end = consumer.get_watermark_offsets(place, timeout=20)
    consumer.assign([TopicPartition(topic, number, 0)])
    at = 0
    while at < end:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message and message.error()
        at = message.offset() + 1
        headers = {name: value.decode() for name, value in message.headers()}
        key = message.key()
        print(json.dumps({
            "partition": number,
            "offset": message.offset(),
            "key": key and key.decode(),
            "time_ms": message.timestamp()[1],
            "id": headers["eaves.id"],
            "kind": headers["eaves.kind"],
            "value": json.loads(message.value()),
        }))
