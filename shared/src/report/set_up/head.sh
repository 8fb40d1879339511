first=${1:-1}
case $first in
  '' | *[!0-9]*) echo "usage: sh commands.sh [FIRST_STEP], a number from 1 to $last" >&2; exit 2 ;;
esac
for file in template.yaml deploy/backup-account.yaml; do
  [ -f "$file" ] || { echo "$file is not here: run this in the folder of Backup Guardian's repository" >&2; exit 2; }
done

# step NUMBER PROFILE ACCOUNT TEXT: whether it is to be done; only in the right account.
step() {
  [ "$1" -ge "$first" ] || return 1
  now=$1
  printf '\n%s of %s. %s\n' "$1" "$last" "$4"
  AWS_PROFILE=$2
  export AWS_PROFILE
  trap 'ended=$?; [ "$ended" -eq 0 ] || echo "step $now was not done; when that is mended: sh $0 $now" >&2' EXIT
  here=$(aws sts get-caller-identity --query Account --output text --region "$region") || here='not known'
  [ "$here" = "$3" ] || { echo "step $1: the account of the profile $2 is $here, and this belongs into $3" >&2; exit 1; }
}

# fine_if_it_says TEXT COMMAND...: its error with this text means that it was done before.
fine_if_it_says() {
  fine=$1
  shift
  if said=$("$@" 2>&1); then
    printf '%s\n' "$said"
  else
    case $said in
      *"$fine"*) echo 'It was done before.' ;;
      *) printf '%s\n' "$said" >&2; exit 1 ;;
    esac
  fi
}

# stack_instances STACK_SET COMMAND...: begins the operation and waits for its end; the AWS CLI has no waiter for it.
stack_instances() {
  name=$1
  shift
  operation=$("$@" --query OperationId --output text)
  while :; do
    status=$(aws cloudformation describe-stack-set-operation --stack-set-name "$name" --operation-id "$operation" \
      --query StackSetOperation.Status --output text --region "$region")
    echo "$name: $status"
    case $status in
      SUCCEEDED) break ;;
      RUNNING | QUEUED | STOPPING) sleep "${PAUSE_SECONDS:-15}" ;;
      *)
        echo "the operation $operation of the StackSet $name ended as $status: aws cloudformation list-stack-set-operation-results --stack-set-name $name --operation-id $operation --region $region" >&2
        exit 1
        ;;
    esac
  done
}
