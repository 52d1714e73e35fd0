export { MailDeliverer } from './deliverer'
export {
  deleteMails,
  enqueueMails,
  findMail,
  listMails,
  type MailState,
  type StoredMail,
} from './outbox'
export { type Attachment, SmtpSender } from './smtp'
