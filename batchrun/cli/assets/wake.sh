# The ends of HealthOmics runs, for batchrun run --wake: a queue, EventBridge's rule that fills it, and the
# policy that lets this rule alone send to it. For each region that has runs; it may be run again.
set -eu
name=QUEUE_NAME
url=$(aws sqs create-queue --queue-name "$name" --attributes MessageRetentionPeriod=3600,ReceiveMessageWaitTimeSeconds=20,VisibilityTimeout=30,SqsManagedSseEnabled=true --query QueueUrl --output text)
queue=$(aws sqs get-queue-attributes --queue-url "$url" --attribute-names QueueArn --query Attributes.QueueArn --output text)
rule=$(aws events put-rule --name "$name" --event-pattern '{"source":["aws.omics"],"detail-type":["Run Status Change"],"detail":{"status":["COMPLETED","FAILED","CANCELLED","DELETED"]}}' --query RuleArn --output text)
policy='{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"'$queue'\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"'$rule'\"}}}]}'
aws sqs set-queue-attributes --queue-url "$url" --attributes "{\"Policy\":\"$policy\"}"
aws events put-targets --rule "$name" --targets "Id=batchrun,Arn=$queue"
echo "batchrun run ... --wake sqs:$url"
